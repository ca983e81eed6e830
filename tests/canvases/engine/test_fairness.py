"""Canvases take turns: one with many due steps does not delay the others."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases import engine
from canvases.engine import crowds, due
from canvases.models import Canvas, Step, StepTally, Visit

DELAY = ("delay", {"amount": 1, "unit": "days"})
CROWD = 2


@pytest.fixture
def one_round_per_beat(settings, monkeypatch):
    """A beat has time for one round of crowds."""
    monkeypatch.setattr(crowds, "CROWD", CROWD)
    settings.SYNC = settings.SYNC | {"flush_seconds": 0.0}


def canvas_with_due_people(canvas_world, *, n_steps, n_each):
    """Return a live canvas with due people at each of its steps."""
    canvas, steps = canvas_world.create_canvas(*[DELAY] * n_steps)
    Canvas.objects.filter(pk=canvas.pk).update(state="live", entered=n_steps * n_each)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    people = iter(canvas_world.create_people(n_steps * n_each))
    Visit.objects.bulk_create(
        Visit(
            canvas=canvas,
            profile=next(people),
            step=step,
            entered_at=an_hour_ago,
            due_at=an_hour_ago,
        )
        for step in steps
        for _i in range(n_each)
    )
    StepTally.objects.bulk_create(
        StepTally(step=step, entered=n_each, waiting=n_each) for step in steps
    )
    return canvas


def count_due(canvas):
    return Visit.objects.filter(canvas=canvas, left_at=None, due_at__lte=timezone.now()).count()


def test_a_small_canvas_moves_within_a_beat_beside_one_with_50_due_steps(
    canvas_world, one_round_per_beat
):
    large = canvas_with_due_people(canvas_world, n_steps=50, n_each=CROWD)
    small = canvas_with_due_people(canvas_world, n_steps=2, n_each=1)
    engine.beat()

    assert count_due(large) == 49 * CROWD  # one crowd of each canvas
    assert count_due(small) == 1
    moved = Visit.objects.exclude(arrived_at=None).order_by("arrived_at")
    assert moved.first().canvas == small


def test_a_step_whose_people_are_due_the_longest_moves_first(canvas_world, one_round_per_beat):
    canvas = canvas_with_due_people(canvas_world, n_steps=3, n_each=CROWD)
    last = canvas.steps.last()
    Visit.objects.filter(step=last).update(due_at=timezone.now() - timedelta(hours=2))
    engine.beat()

    assert not Visit.objects.filter(step=last).exists()


def test_a_beat_with_time_moves_all_of_them(canvas_world):
    large, small = (canvas_with_due_people(canvas_world, n_steps=n, n_each=2) for n in (6, 2))
    engine.beat()

    assert (count_due(large), count_due(small)) == (0, 0)


def test_people_who_are_due_before_the_last_crowd_are_not_lost(canvas_world, one_round_per_beat):
    """The engine remembers where the last crowd ended; visits due before that move at the end."""
    canvas = canvas_with_due_people(canvas_world, n_steps=1, n_each=4 * CROWD)
    [step] = canvas.steps.all()
    now, ends = timezone.now(), crowds.Ends()
    engine.advance(step.pk, now=now, ends=ends)
    earlier = Visit.objects.filter(step=step, left_at=None).last()
    Visit.objects.filter(pk=earlier.pk).update(due_at=earlier.due_at - timedelta(hours=1))
    was_waiting = []  # after each crowd: whether the person who is due earlier still waits
    while engine.advance(step.pk, now=now, ends=ends):
        was_waiting.append(Visit.objects.filter(pk=earlier.pk, step=step).exists())

    # Only when no full crowd is left after the last one, all due visits are searched.
    assert was_waiting == [True, True, False]
    assert count_due(canvas) == 0


def test_crowds_at_one_due_time_are_read_after_the_last_one(canvas_world, one_round_per_beat):
    """The query skips visits that have moved, whose index entries an old snapshot keeps."""
    canvas = canvas_with_due_people(canvas_world, n_steps=1, n_each=4 * CROWD)
    [step] = canvas.steps.all()
    now, ends = timezone.now(), crowds.Ends()
    engine.advance(step.pk, now=now, ends=ends)
    with CaptureQueriesContext(connection) as queries:
        engine.advance(step.pk, now=now, ends=ends)
    statements = [query["sql"] for query in queries]
    of_crowds = [sql for sql in statements if "ORDER BY" in sql and "due_at" in sql]

    assert len(of_crowds) == 2
    assert all('"canvases_visit"."id" >' in sql for sql in of_crowds)


@pytest.mark.parametrize("is_alone", [True, False])
def test_a_pass_moves_further_crowds_if_nothing_else_is_to_do(
    canvas_world, one_round_per_beat, is_alone
):
    canvas = canvas_with_due_people(canvas_world, n_steps=1, n_each=4 * CROWD)
    other, _steps = canvas_world.create_canvas(DELAY)
    if not is_alone:
        canvas_world.launch(other)
    engine.move_all(now=timezone.now(), ends_at=time.monotonic() + 9)

    assert count_due(canvas) == (0 if is_alone else 3 * CROWD)


@pytest.mark.parametrize("state", ["stopped", "archived"])
def test_people_of_a_canvas_that_is_not_live_stay(canvas_world, state):
    canvas = canvas_with_due_people(canvas_world, n_steps=1, n_each=2)
    Canvas.objects.filter(pk=canvas.pk).update(state=state)
    engine.beat()

    assert count_due(canvas) == 2


def test_the_queries_of_an_idle_pass_do_not_grow_with_live_canvases(canvas_world):
    def count_queries():
        with CaptureQueriesContext(connection) as queries:
            assert engine.move_all(now=timezone.now()) == 0
        return len(queries)

    n_before = count_queries()
    for _i in range(4):
        canvas_with_due_people(canvas_world, n_steps=3, n_each=1)
    Visit.objects.update(due_at=timezone.now() + timedelta(days=1))
    assert count_queries() == n_before == 5


def plan_of_due_steps():
    with CaptureQueriesContext(connection) as queries:
        assert len(due.rounds(now=timezone.now())) == 2
    verb = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{verb} {queries[0]['sql']}")
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def analyze_visits():
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Visit._meta.db_table}")


def test_due_steps_are_found_by_the_index_of_open_visits(canvas_world):
    canvas_with_due_people(canvas_world, n_steps=2, n_each=300)
    analyze_visits()
    plan = plan_of_due_steps()

    table = Visit._meta.db_table
    assert plan.count("visit_due") >= 2, plan
    assert f"Seq Scan on {table}" not in plan, plan
    assert f"SCAN {table}\n" not in plan + "\n", plan
    assert Step.objects.count() == 2


def test_due_steps_are_found_without_reading_all_who_wait(canvas_world):
    """The planner's statistics have no open visit, as after a launch whose people have all left."""
    former, _steps = canvas_world.create_canvas(DELAY)
    now = timezone.now()
    Visit.objects.bulk_create(
        Visit(canvas=former, profile=person, entered_at=now, left_at=now)
        for person in canvas_world.create_people(600)
    )
    analyze_visits()
    canvas_with_due_people(canvas_world, n_steps=2, n_each=300)
    plan = plan_of_due_steps()

    assert plan.count("visit_due") >= 2, plan
    assert "Bitmap" not in plan, plan
    assert "Aggregate" not in plan, plan
