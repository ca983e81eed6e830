"""The forecast of a launch with branches equals what the launch then does."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment
from canvases import engine, prospects
from canvases.models import BranchTally, ExitSegment
from canvases.prospects import walk
from canvases.steps import KINDS
from canvases.steps.decision_split import NO, YES
from canvases.steps.numbered import EVERYONE_ELSE
from partners.models import Tally

pytestmark = pytest.mark.thorough

GERMAN = {"field": "country", "op": "is", "value": "DE"}
NOT_FRENCH = {"field": "country", "op": "is_not", "value": "FR"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}
DAY = {"amount": 1, "unit": "days"}
PATHS = {
    "paths": [
        {"number": 2, "name": "Buyers", "filter": BOUGHT},
        {"number": 1, "name": "Germans", "filter": GERMAN},
    ]
}


@pytest.fixture
def people(canvas_world):
    """Ten people: 0 to 3 are German, 4 to 6 French; 2 to 5 bought; 9 has no identifier."""
    profiles = canvas_world.create_people(10)
    ids = [profile.pk for profile in profiles]
    Profile.objects.filter(pk__in=ids[:4]).update(country="DE")
    Profile.objects.filter(pk__in=ids[4:7]).update(country="FR")
    Profile.objects.filter(pk=ids[9]).update(email_sha256=None)
    at = timezone.now() - timedelta(days=3)
    for person in profiles[2:6]:
        Event.objects.create(
            app_group=canvas_world.app_group, profile=person, kind="event", name="order", at=at
        )
    return profiles


@pytest.fixture
def canvas(canvas_world):
    """Paths, one of which has a split with an exit; after the block, a split and a Sync."""
    return canvas_world.create_flow(
        ("paths", "audience_paths", PATHS, None, 0),
        ("buyers", "audience_sync", {}, "paths", 2),
        ("inner", "decision_split", {"filter": GERMAN}, "buyers", 0),
        ("exit", "exit", {}, "inner", YES),
        ("germans", "audience_sync", {}, "paths", 1),
        ("outer", "decision_split", {"filter": NOT_FRENCH}, "paths", 0),
        ("foreign", "audience_sync", {}, "outer", YES),
        ("all", "audience_sync", {}, "outer", 0),
    )


def forecast(row):
    now = timezone.now()
    people = engine.would_enter(row, engine.entry_candidates(row, now=now), now=now)
    prospects_found = prospects.of_launch(row, people, now=now)
    return [(one.way, str(one.text)) for one in prospects_found]


def test_the_launch_does_what_the_forecast_of_each_branch_says(canvas_world, canvas, people):
    row, steps = canvas
    syncs = {
        name: canvas_world.add_sync(steps[name]) for name in ("buyers", "germans", "foreign", "all")
    }

    assert forecast(row) == [
        ("", "Buyers: 4, Germans: 2, Everyone else: 4"),
        ("Buyers", "4 people will be sent."),
        ("Buyers", "Yes: 2, No: 2"),
        ("Germans", "2 people will be sent."),
        ("", "Yes: 5, No: 3"),
        ("Yes", "4 people will be sent, 1 not: 1 without a usable field."),
        ("", "7 people will be sent, 1 not: 1 without a usable field."),
    ]
    canvas_world.launch(row)
    canvas_world.run()

    branch_counts = {
        name: dict(BranchTally.objects.filter(step=steps[name]).values_list("branch", "n"))
        for name in ("paths", "inner", "outer")
    }
    assert branch_counts == {
        "paths": {2: 4, 1: 2, EVERYONE_ELSE: 4},
        "inner": {YES: 2, NO: 2},
        "outer": {YES: 5, NO: 3},
    }
    sent = {name: Tally.objects.get(pk=one.pk) for name, one in syncs.items()}
    assert {name: (one.pending, one.not_synced) for name, one in sent.items()} == {
        "buyers": (4, 0),
        "germans": (2, 0),
        "foreign": (4, 1),
        "all": (7, 1),
    }


def test_the_seeded_bug_of_another_order_is_found(canvas_world, canvas, people, monkeypatch):
    """Seeded bug: the forecast evaluates the paths from the last to the first."""

    def branches(step):
        by_number = KINDS[step.kind].branches(step)
        return (*by_number[-2::-1], *by_number[-1:])

    monkeypatch.setattr(walk, "branches", branches)
    with pytest.raises(AssertionError):
        test_the_launch_does_what_the_forecast_of_each_branch_says(canvas_world, canvas, people)


def test_a_delay_counts_only_in_its_branch_and_after_the_block(canvas_world, people):
    row, steps = canvas_world.create_flow(
        ("split", "decision_split", {"filter": GERMAN}, None, 0),
        ("delay", "delay", DAY, "split", YES),
        ("yes", "audience_sync", {}, "delay", 0),
        ("no", "audience_sync", {}, "split", NO),
        ("after", "audience_sync", {}, "split", 0),
    )
    for name in ("yes", "no", "after"):
        canvas_world.add_sync(steps[name])
    found = prospects.of_launch(
        row, engine.entry_candidates(row, now=timezone.now()), now=timezone.now()
    )
    assert [one.is_later for one in found] == [False, True, False, True]


def test_numbers_after_a_wait_for_events_are_upper_limits(canvas_world, people):
    waits = {**DAY, "events": [{"number": 1, "label": "Bought", "kind": "purchase", "name": ""}]}
    row, steps = canvas_world.create_flow(
        ("wait", "wait_until", waits, None, 0),
        ("bought", "audience_sync", {}, "wait", 1),
        ("exit", "exit", {}, "bought", 0),
        ("after", "audience_sync", {}, "wait", 0),
    )
    for name in ("bought", "after"):
        canvas_world.add_sync(steps[name])
    found = prospects.of_launch(
        row, engine.entry_candidates(row, now=timezone.now()), now=timezone.now()
    )
    assert [(one.way, one.is_later, one.is_at_most) for one in found] == [
        ("Bought", True, True),
        ("", True, True),
    ]


def test_a_cap_and_an_exit_segment_keep_people_out_of_the_forecast(canvas_world, canvas, people):
    row, steps = canvas
    german = Segment.objects.create(app_group=row.app_group, name="DE", filter=GERMAN)
    ExitSegment.objects.create(canvas=row, segment=german)
    row.cap_total = 3
    row.save()

    assert forecast(row)[0] == ("", "Buyers: 2, Germans: 0, Everyone else: 1")
    canvas_world.launch(row)
    canvas_world.run()

    branch_counts = BranchTally.objects.filter(step=steps["paths"]).values_list("branch", "n")
    assert dict(branch_counts) == {2: 2, EVERYONE_ELSE: 1}
