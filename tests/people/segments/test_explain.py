"""Each part of a filter is met or not as the whole filter counts it."""

import random

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment
from audiencesync.people.segments import filters
from audiencesync.people.segments.explain import Explained

pytestmark = pytest.mark.django_db

GERMAN = {"field": "country", "op": "is", "value": "DE"}
GOLD = {"field": "custom.plan", "op": "is_not", "value": "gold"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}
CONSENTS = {"field": "ads_consent", "op": "is_true"}
PERSONAL = {"field": "email", "op": "contains", "value": "anna@example.org"}
LEAVES = [GERMAN, GOLD, BOUGHT, CONSENTS, PERSONAL]


@pytest.fixture
def anna(acme):
    person = Profile.objects.create(
        app_group=acme,
        external_id="anna@example.org",
        email="anna@example.org",
        country="DE",
        attributes={"plan": "gold", "n": 5},
    )
    order = {"kind": "event", "name": "order", "at": timezone.now()}
    Event.objects.create(app_group=acme, profile=person, **order)
    return person


def explained(person, raw, *, masked=False):
    return Explained(person, [raw], masked=masked).of(raw, now=timezone.now())


def grown(dice, depth=0):
    if depth == 3 or dice.random() < 0.4:
        return dice.choice(LEAVES)
    parts = [grown(dice, depth + 1) for _n in range(dice.randint(1, 3))]
    return {dice.choice(["all", "any", "none"]): parts}


def pairs(raw, part):
    """Yield each part of a filter with its explanation."""
    yield raw, part
    for match in {"all", "any", "none"} & set(raw):
        assert len(raw[match]) == len(part.parts)
        for below in zip(raw[match], part.parts, strict=True):
            yield from pairs(*below)


@pytest.mark.parametrize("seed", range(20))
def test_each_part_is_met_as_the_database_counts_it(anna, seed):
    raw = grown(random.Random(seed))
    for asked, part in pairs(raw, explained(anna, raw)):
        assert part.is_met == Profile.objects.filter(filters.parse(asked), pk=anna.pk).exists()


def test_a_segment_is_explained_to_its_conditions(acme, anna):
    inner = Segment.objects.create(app_group=acme, name="Not gold", filter={"all": [GOLD]})
    part = explained(anna, {"segment": str(inner.api_id), "op": "in"})
    assert (part.is_met, part.words) == (False, "who is in the segment “Not gold”")
    [group] = part.parts
    assert [(one.words, one.value) for one in group.parts] == [("whose plan is not “gold”", "gold")]


def test_viewers_read_no_personal_data(anna):
    raw = {"all": [*LEAVES, {"field": "external_id", "op": "is", "value": "anna@example.org"}]}
    masked = explained(anna, raw, masked=True)
    assert "anna" not in str(masked)
    assert "gold" not in masked.parts[1].value
    assert "anna@example.org" in str(explained(anna, raw))


def test_many_filters_are_one_query(anna):
    raws = [{"field": f"custom.x{n}", "op": "exists"} for n in range(90)]
    whole = Explained(anna, raws, masked=False)
    now = timezone.now()
    with CaptureQueriesContext(connection) as seen:
        whole.read(raws, now=now)
        assert not any(whole.of(raw, now=now).is_met for raw in raws)
    assert len(seen) == 1


def test_a_filter_that_cannot_be_read_raises(anna):
    condition = {"segment": "8c5d0c1e-0000-4000-8000-000000000000", "op": "in"}
    for raw in (condition, {"field": "nothing", "op": "is"}):
        with pytest.raises(filters.FilterError):
            explained(anna, raw)


def test_an_event_says_when_it_happened_last(anna):
    bought = {"event": "order", "op": "at_least", "n": 2}
    assert explained(anna, bought).value.startswith("last on ")
    never = {"event": "order", "op": "never", "where": [{"property": "x", "op": "exists"}]}
    assert explained(anna, never).value == "never"
