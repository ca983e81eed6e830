"""The query plans for choosing and moving a crowd use the right indexes."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from audiencesync.people.models.live import Signal, Subscription
from canvases import engine
from canvases.engine import crowds, movement, signals
from canvases.models import Visit
from tests.support import builder

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
GERMAN = {"field": "country", "op": "is", "value": "DE"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}


@pytest.fixture
def canvas(canvas_world):
    """A split by country and by event before a delay; of four people two live in Germany."""
    people = canvas_world.create_people(4)
    Profile.objects.filter(pk__in=[person.pk for person in people[:2]]).update(country="DE")
    about = {"kind": "event", "name": "order", "at": timezone.now() - timedelta(days=3)}
    for buyer in people[1:3]:
        Event.objects.create(app_group=canvas_world.app_group, profile=buyer, **about)
    paths = [
        {"number": n, "name": f"Path {n}", "filter": one}
        for n, one in enumerate([GERMAN, BOUGHT], 1)
    ]
    return canvas_world.create_flow(
        ("split", "audience_paths", {"paths": paths}, None, 0),
        ("after", "delay", DAY, "split", 0),
    )


@pytest.mark.parametrize("index", ["visit_due", "event_by_person_and_name"])
def test_the_database_uses_the_indexes(canvas_world, canvas, index):
    row, steps = canvas
    for person in Profile.objects.all():
        builder.add_other_events(person)
    canvas_world.launch(row)
    engine.admit(row.pk, now=timezone.now())
    add_former_people(canvas_world, row)
    plans = plans_of(lambda: movement.advance(steps["split"].pk, now=timezone.now()))

    assert len(plans) == 3
    with_people = plans[:2]
    expected = with_people if index == "visit_due" else with_people[1:]
    assert all(index in plan for plan in expected), "\n\n".join(expected)
    by_id = ("PRIMARY KEY", f"{Profile._meta.db_table}_pkey")
    assert all(any(name in plan for name in by_id) for plan in with_people)
    assert not any(
        f"Seq Scan on {Profile._meta.db_table}" in plan or f"SCAN {Profile._meta.db_table}" in plan
        for plan in with_people
    )


def test_the_next_of_many_who_are_due_at_one_time_are_read_in_order(
    canvas_world, canvas, monkeypatch
):
    row, steps = canvas
    monkeypatch.setattr(crowds, "CROWD", 5)
    canvas_world.create_people(400)
    canvas_world.launch(row)
    engine.admit(row.pk, now=timezone.now())
    add_former_people(canvas_world, row)
    chosen = plans_of(lambda: movement.advance(steps["split"].pk, now=timezone.now()), "SELECT")

    first, last, profile_range = chosen  # of the crowd: its first and last visit, its profiles
    for plan in (first, last):
        assert "visit_due" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan
    assert "visit_open_once" not in profile_range  # this index holds the visits of all steps


def test_a_crowd_is_read_in_order_if_the_statistics_have_no_open_visit(canvas_world, canvas):
    """The planner's statistics are from a time when all people had left; now people wait again."""
    row, steps = canvas
    canvas_world.create_people(300)
    canvas_world.launch(row)
    add_former_people(canvas_world, row)
    engine.admit(row.pk, now=timezone.now())
    plans = plans_of(
        lambda: movement.advance(steps["split"].pk, now=timezone.now()), ("SELECT", "UPDATE")
    )

    assert len(plans) == 6  # three updates, and three queries that choose the crowd
    for plan in plans:
        assert "visit_due" in plan
        assert "visit_open_once" not in plan


def test_those_who_wait_for_an_event_are_found_by_person(canvas_world):
    """The query does not search by the step, where a million people may wait."""
    row = {"number": 1, "label": "Order", "kind": "event", "name": "order", "where": []}
    canvas, _steps = canvas_world.create_canvas(("wait_until", DAY | {"events": [row]}))
    people = canvas_world.create_people(300)
    canvas_world.launch(canvas)
    add_former_people(canvas_world, canvas)
    engine.admit(canvas.pk, now=timezone.now())
    wait = Subscription.objects.get(listener=canvas.pk, role="wait")
    now = timezone.now()
    happened = [
        Event(app_group=canvas_world.app_group, profile=person, kind="event", name="order", at=now)
        for person in people[:20]
    ]
    Signal.objects.bulk_create(
        Signal(
            listener=canvas.pk,
            subscription=wait,
            profile=event.profile,
            event=event,
            kind="event",
            at=now,
        )
        for event in Event.objects.bulk_create(happened)
    )
    [plan] = plans_of(lambda: signals.work(canvas.pk, now=now), "SELECT")

    assert "visit_due" not in plan, plan
    assert Visit.objects.filter(branch=1).count() == 20


def add_former_people(canvas_world, canvas, *, n=500):
    """Add people who have left the canvas, then ANALYZE."""
    now = timezone.now()
    Visit.objects.bulk_create(
        Visit(canvas=canvas, profile=person, entered_at=now, left_at=now)
        for person in canvas_world.create_people(n)
    )
    with connection.cursor() as cursor:
        for model in (Visit, Profile):
            cursor.execute(f"ANALYZE {model._meta.db_table}")


def plans_of(work, verb="UPDATE"):
    """Return how the database runs each statement on visits, without scans of small tables."""
    plans = []
    is_postgres = connection.vendor == "postgresql"

    def watch(execute, sql, params, many, context):
        if sql.startswith(verb) and Visit._meta.db_table in sql.split("SET")[0]:
            with connection.cursor() as cursor:
                if is_postgres:
                    cursor.execute("SET LOCAL enable_seqscan = off")
                cursor.execute(f"EXPLAIN {'' if is_postgres else 'QUERY PLAN'} {sql}", params)
                plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        work()
    return plans
