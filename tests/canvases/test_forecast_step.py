"""The forecast of a step: who would be sent, with which identifiers, who would not, and why."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from canvases import checklist, prospects
from canvases.models import BranchTally
from canvases.steps.decision_split import YES
from canvases.steps.numbered import EVERYONE_ELSE
from partners.models import Delivery, Tally

pytestmark = pytest.mark.thorough

GERMAN = {"field": "country", "op": "is", "value": "DE"}
WAIT = {
    "amount": 3,
    "unit": "days",
    "events": [{"number": 1, "label": "Bought", "kind": "event", "name": "order"}],
}


@pytest.fixture
def people(canvas_world):
    """Ten people: 0 to 3 are German; 1 to 4 have a phone; 5 has no consent, 9 no identifier."""
    profiles = canvas_world.create_people(10)
    ids = [profile.pk for profile in profiles]
    Profile.objects.filter(pk__in=ids[:4]).update(country="DE")
    Profile.objects.filter(pk__in=ids[1:5]).update(phone_sha256=b"%032d" % 99)
    Profile.objects.filter(pk=ids[5]).update(ads_consent=False)
    Profile.objects.filter(pk=ids[9]).update(email_sha256=None)
    return profiles


@pytest.fixture
def canvas(canvas_world):
    row, steps = canvas_world.create_flow(
        ("split", "decision_split", {"filter": GERMAN}, None, 0),
        ("yes", "audience_sync", {}, "split", YES),
        ("exit", "exit", {}, "yes", 0),
        ("after", "audience_sync", {}, "split", 0),
        ("wait", "wait_until", WAIT, "after", 0),
        ("late", "audience_sync", {}, "wait", 1),
    )
    for name in ("yes", "after", "late"):
        sync = canvas_world.add_sync(steps[name])
        sync.kinds = ["email", "phone"]
        sync.save()
    return row, steps


def place(row, step):
    steps = list(checklist.steps_of(row))
    place_step = next(one for one in steps if one.pk == step.pk)
    return prospects.StepForecast(row, steps, place_step, now=timezone.now())


def counted(numbers):
    return {number.key: number.n for number in numbers}


def test_the_launch_does_at_each_step_what_its_forecast_says(canvas_world, canvas, people):
    row, steps = canvas
    split, yes, after = (place(row, steps[name]) for name in ("split", "yes", "after"))
    outlooks = {"yes": yes.outlook(), "after": after.outlook()}
    branches = counted(split.outlook().branches)
    listed = {person.pk for person in after.first_people("no_consent")}

    canvas_world.launch(row)
    canvas_world.run()

    tally = dict(BranchTally.objects.filter(step=steps["split"]).values_list("branch", "n"))
    assert (
        branches
        == {f"branch-{number}": n for number, n in tally.items()}
        == {
            "branch-1": 4,
            "branch-2": 6,
        }
    )
    for name, outlook in outlooks.items():
        queue = Tally.objects.get(pk=steps[name].sync_id)
        assert (outlook.here.n, outlook.sent.n, outlook.n_not_sent) == (
            queue.entered,
            queue.pending,
            queue.not_synced,
        )
    assert (outlooks["yes"].here.n, outlooks["after"].here.n) == (4, 6)
    reasons = Delivery.objects.filter(sync=steps["after"].sync).exclude(reason=None)
    assert counted(outlooks["after"].not_sent) == {"no_consent": 1, "no_identifier": 1}
    assert set(reasons.filter(reason="no_consent").values_list("profile", flat=True)) == listed


def test_those_sent_are_counted_by_identifier_and_listed(canvas, people):
    row, steps = canvas
    yes = place(row, steps["yes"])

    assert counted(yes.outlook().identifiers) == {"email": 4, "phone": 3}
    ids = [person.pk for person in people]
    assert [person.pk for person in yes.first_people("phone")] == ids[1:4]
    assert [person.pk for person in yes.first_people("sent")] == ids[:4]
    assert [person.pk for person in place(row, steps["split"]).first_people("branch-2")] == ids[4:]
    assert yes.first_people("idfa") == yes.first_people("no such key") == []


def test_the_outlook_of_a_wait_counts_recent_events(canvas, people):
    row, steps = canvas
    for person, days in ((people[6], 2), (people[7], 4), (people[0], 1)):
        Event.objects.create(
            app_group=row.app_group,
            profile=person,
            kind="event",
            name="order",
            at=timezone.now() - timedelta(days=days),
        )
    wait = place(row, steps["wait"])

    assert counted(wait.outlook().branches) == {
        "branch-1": 1,  # the event of 4 days ago is too old, and Germans do not come to the wait
        f"branch-{EVERYONE_ELSE}": 5,
    }
    assert [one.pk for one in wait.first_people("branch-1")] == [people[6].pk]
    late = place(row, steps["late"]).outlook()
    assert (late.here.n, late.arrivals.is_later, late.arrivals.is_at_most) == (6, True, True)


def test_the_outlook_for_joining_a_segment_is_unknown(canvas_world, people):
    joins = {"number": 1, "label": "Joined", "kind": "segment", "segment": "x"}
    row, steps = canvas_world.create_flow(
        ("wait", "wait_until", {**WAIT, "events": [joins]}, None, 0)
    )

    counts = counted(place(row, steps["wait"]).outlook().branches)

    assert counts == {"branch-1": None, f"branch-{EVERYONE_ELSE}": None}


def test_once_live_everybody_who_fits_the_entry_counts(canvas_world, canvas, people):
    row, steps = canvas
    canvas_world.launch(row)
    canvas_world.run()
    row.refresh_from_db()

    step_place = place(row, steps["yes"])

    assert (step_place.is_launch, step_place.outlook().entering.n, step_place.outlook().here.n) == (
        False,
        10,
        4,
    )


def test_the_number_of_queries_does_not_grow_with_the_steps(
    canvas_world, canvas, people, django_assert_max_num_queries
):
    row, steps = canvas
    counts = []
    for n in (0, 6):
        parent = steps["late"]
        for _n in range(n):
            parent = type(parent).objects.create(
                canvas=row, kind="decision_split", settings={"filter": GERMAN}, parent=parent
            )
        loaded = list(checklist.steps_of(row))
        place_step = next(one for one in loaded if one.pk == steps["after"].pk)
        with django_assert_max_num_queries(6) as queries:
            prospects.StepForecast(row, loaded, place_step, now=timezone.now()).outlook()
        counts.append(len(queries))
    assert counts[0] == counts[1]
