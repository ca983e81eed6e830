"""A rehearsal predicts what the engine does: who enters, their branches, and their waits."""

import random
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from audiencesync.people.models.live import Signal, Subscription
from canvases import rehearsal
from canvases.engine import movement
from canvases.models import Canvas, ExitSegment, StepTally, Visit
from canvases.steps.numbered import EVERYONE_ELSE
from tests.canvases.engine.test_random_trees import COUNTRIES, grow

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_morning")]

DAY = {"amount": 1, "unit": "days"}
WAIT = DAY | {"events": [{"number": 1, "label": "Bought", "kind": "event", "name": "order"}]}


@pytest.mark.parametrize("seed", range(4))
def test_each_person_goes_the_way_that_was_rehearsed(canvas_world, seed):
    dice = random.Random(seed)
    people = canvas_world.create_people(8)
    for person in people:
        Profile.objects.filter(pk=person.pk).update(country=dice.choice(COUNTRIES))
    canvas = grow(canvas_world, dice, 14)
    now = timezone.now()
    expected, passed = {}, Counter()
    for person in Profile.objects.all():
        way = rehearsal.of_person(canvas, person, at=now, chosen={}, masked=False)
        expected[person.pk] = [
            (stop.step.pk, stop.result.until) for stop in way.stops if stop.waits
        ]
        passed.update(stop.step.pk for stop in way.stops)

    canvas_world.launch(canvas)
    waited = {}
    while True:
        while movement.move_all(now=now):
            pass
        open_visits = Visit.objects.filter(canvas=canvas, left_at=None)
        for visit in open_visits:
            stay = (visit.step_id, visit.due_at)
            if stay not in waited.setdefault(visit.profile_id, []):
                waited[visit.profile_id].append(stay)
        if (due := open_visits.order_by("due_at").first()) is None:
            break
        now = due.due_at
    assert {pk: waited.get(pk, []) for pk in expected} == expected
    assert dict(StepTally.objects.values_list("step", "entered")) == passed


def test_a_wait_shows_its_events_and_each_can_be_followed(canvas_world, rehearse):
    canvas, steps = canvas_world.create_flow(
        ("wait", "wait_until", WAIT, None, 0),
        ("bought", "delay", DAY, "wait", 1),
        ("after", "delay", DAY, "wait", 0),
    )
    [person] = canvas_world.create_people(1)
    at = "2026-12-01T14:00"
    page = rehearse(canvas, person, at=at)
    text = page.stop(steps["wait"])
    assert "if event “order” happens before 2 Dec 2026, 14:00 UTC" in text
    assert page.path == [steps["wait"].pk, steps["after"].pk]
    link = f"take={steps['wait'].pk}-1"
    assert link in page.text

    take = f"{steps['wait'].pk}-1"
    page = rehearse(canvas, person, at=at, take=take)
    assert page.path == [steps[name].pk for name in ("wait", "bought", "after")]
    assert "Comes here, at the earliest: 1 Dec 2026, 14:00 UTC" in page.stop(steps["bought"])
    assert f'name="take" value="{take}"' in page.text  # another time keeps the choice


def test_who_does_what_was_rehearsed_takes_that_way(canvas_world, rehearse):
    canvas, steps = canvas_world.create_flow(
        ("wait", "wait_until", WAIT, None, 0),
        ("bought", "delay", DAY, "wait", 1),
        ("else", "delay", DAY, "wait", EVERYONE_ELSE),
        ("after", "delay", DAY, "wait", 0),
    )
    person, other = canvas_world.create_people(2)
    expected = [
        rehearse(canvas, person, take=f"{steps['wait'].pk}-1").path,
        rehearse(canvas, other).path,
    ]
    now = timezone.now()
    canvas_world.launch(canvas)
    canvas_world.run(now)
    event = Event.objects.create(
        app_group=canvas_world.app_group, profile=person, kind="event", name="order", at=now
    )
    wait = Subscription.objects.get(listener=canvas.pk, role="wait")
    about = {"listener": canvas.pk, "subscription": wait, "profile": person, "event": event}
    Signal.objects.create(kind="event", at=now, **about)
    paths = {person.pk: [], other.pk: []}
    for hours in (0, 25, 50, 75):
        canvas_world.run(now + timedelta(hours=hours))
        for who, step in Visit.objects.filter(left_at=None).values_list("profile", "step"):
            paths[who] += [step] if step not in paths[who] else []
    paths[person.pk].insert(0, steps["wait"].pk)  # the person passed it before the first reading
    assert list(paths.values()) == expected


def test_after_a_less_important_event_people_wait_on(canvas_world, rehearse):
    rows = [{"number": n, "label": f"Event {n}", "kind": "event", "name": f"e{n}"} for n in (1, 2)]
    canvas, steps = canvas_world.create_flow(
        ("wait", "wait_until", {**DAY, "events": rows, "chooses": "ranked"}, None, 0),
        ("after", "delay", DAY, "wait", 0),
    )
    [person] = canvas_world.create_people(1)
    comes = {
        n: rehearse(canvas, person, at="2026-12-01T14:00", take=f"{steps['wait'].pk}-{n}").stop(
            steps["after"]
        )
        for n in (1, 2)
    }
    assert "at the earliest: 1 Dec" in comes[1]
    assert "Comes here: 2 Dec" in comes[2]


def test_of_two_paths_that_fit_the_first_in_order_is_taken(canvas_world, rehearse):
    everybody = {"field": "country", "op": "is_not", "value": "XX"}
    paths = [{"number": n, "name": f"Path {n}", "filter": everybody} for n in (2, 1)]
    canvas, steps = canvas_world.create_flow(
        ("paths", "audience_paths", {"paths": paths}, None, 0),
        ("first", "delay", DAY, "paths", 2),
        ("second", "delay", DAY, "paths", 1),
    )
    [person] = canvas_world.create_people(1)
    assert rehearse(canvas, person).path == [steps["paths"].pk, steps["first"].pk]
    canvas_world.launch(canvas)
    canvas_world.run()
    assert Visit.objects.get().step == steps["first"]


@pytest.fixture
def entering(canvas_world, rehearse):
    """entering(canvas, person) -> whether the page says that they enter; a launch must agree."""

    def ask(canvas, person):
        page = rehearse(canvas, person)
        canvas.refresh_from_db()
        canvas_world.launch(canvas)
        canvas_world.run()
        has_entered = Visit.objects.filter(
            canvas=canvas, profile=person, entered_at__gte=timezone.now() - timedelta(hours=1)
        ).exists()
        return ">would enter<" in page.text, has_entered

    return ask


def test_who_would_enter_enters(canvas_world, entering):
    canvas, _steps = canvas_world.create_canvas(("delay", DAY))
    inside, outside = canvas_world.create_people(2)
    Profile.objects.filter(pk=inside.pk).update(country="DE")
    canvas_world.segment.filter = {"field": "country", "op": "is", "value": "DE"}
    canvas_world.segment.save()
    assert entering(canvas, inside) == (True, True)
    Canvas.objects.filter(pk=canvas.pk).update(state="stopped")
    assert entering(canvas, outside) == (False, False)


@pytest.mark.parametrize(
    ("fields", "words"),
    [({"cap_total": 0}, "The limit of entries is reached."), ({}, "They have entered before")],
)
def test_it_says_what_keeps_a_person_out(canvas_world, rehearse, fields, words):
    canvas, _steps = canvas_world.create_canvas(("delay", DAY))
    Canvas.objects.filter(pk=canvas.pk).update(**fields)
    [person] = canvas_world.create_people(1)
    long_ago = timezone.now() - timedelta(days=9)
    if not fields:
        Visit.objects.create(canvas=canvas, profile=person, entered_at=long_ago, left_at=long_ago)
    page = rehearse(canvas, person)
    assert words in page.text
    assert ">would not enter<" in page.text


def test_a_person_in_an_exit_segment_would_not_enter(canvas_world, entering):
    canvas, _steps = canvas_world.create_canvas(("delay", DAY))
    ExitSegment.objects.create(canvas=canvas, segment=canvas_world.segment)
    [person] = canvas_world.create_people(1)
    assert entering(canvas, person) == (False, False)
