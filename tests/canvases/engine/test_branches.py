"""People take one branch of a split, the first that fits; branches meet again after the block."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from canvases import engine, laws
from canvases.engine import crowds, movement
from canvases.models import BranchTally, Step, Visit
from canvases.steps.numbered import EVERYONE_ELSE
from tests.support import builder

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
GERMAN = {"field": "country", "op": "is", "value": "DE"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}


def split(*filters):
    paths = [{"number": n, "name": f"Path {n}", "filter": one} for n, one in enumerate(filters, 1)]
    return {"paths": paths}


@pytest.fixture
def canvas(journeys):
    """A split by country and by event, with an exit; a delay after the block."""
    return journeys.flow(
        ("split", "audience_paths", split(GERMAN, BOUGHT), None, 0),
        ("german", "delay", DAY, "split", 1),
        ("exit", "exit", {}, "split", 2),
        ("after", "delay", DAY, "split", 0),
    )


@pytest.fixture
def people(journeys):
    """Two from Germany, of whom one bought; one who bought; one of neither."""
    made = journeys.people(4)
    Profile.objects.filter(pk__in=[made[0].pk, made[1].pk]).update(country="DE")
    for person in (made[1], made[2]):
        Event.objects.create(
            app_group=journeys.app_group,
            profile=person,
            kind="event",
            name="order",
            at=timezone.now() - timedelta(days=3),
        )
    return made


def took(split):
    return dict(BranchTally.objects.filter(step=split).values_list("branch", "n"))


def test_each_person_takes_the_first_branch_that_fits(journeys, canvas, people):
    row, steps = canvas
    journeys.launch(row)
    journeys.run()

    assert took(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert journeys.numbers(steps["german"]) == (2, 0, 0, 2)
    assert journeys.numbers(steps["exit"]) == (1, 0, 1, 0)
    assert journeys.numbers(steps["after"]) == (1, 0, 0, 1)
    assert laws.broken(now=timezone.now()) == []


def test_branches_meet_after_the_block_unless_they_end_with_an_exit(journeys, canvas, people):
    row, steps = canvas
    journeys.launch(row)
    journeys.run()
    journeys.run(timezone.now() + timedelta(days=1))

    assert journeys.numbers(steps["german"]) == (2, 2, 0, 0)
    assert journeys.numbers(steps["after"]) == (3, 1, 0, 2) or journeys.numbers(steps["after"]) == (
        3,
        0,
        1,
        2,
    )
    journeys.run(timezone.now() + timedelta(days=3))
    assert not Visit.objects.filter(left_at=None).exists()
    assert laws.broken(now=timezone.now()) == []


def test_a_profile_that_changes_between_two_updates_takes_one_branch(journeys, canvas, people):
    """It moves to Germany after the first branch was asked, and has bought nothing."""
    row, steps = canvas
    journeys.launch(row)
    engine.admit(row.pk, now=timezone.now())

    with changing_after_each_move(lambda: Profile.objects.update(country="DE")):
        movement.advance(steps["split"].pk, now=timezone.now())

    assert took(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert laws.broken(now=timezone.now()) == []


def changing_after_each_move(change):
    """Run ``change`` before every second and later update of visits."""
    seen = []

    def watch(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and Visit._meta.db_table in sql.split("SET")[0]:
            if seen:
                change()
            seen.append(sql)
        return execute(sql, params, many, context)

    return connection.execute_wrapper(watch)


def test_a_split_sees_what_is_stored_when_the_crowd_moves(journeys, people):
    row, steps = journeys.flow(
        ("wait", "delay", DAY, None, 0), ("split", "audience_paths", split(GERMAN), "wait", 0)
    )
    journeys.launch(row)
    journeys.run()
    Profile.objects.update(country="DE")
    journeys.run(timezone.now() + timedelta(days=2))

    assert took(steps["split"]) == {1: 4}


def test_people_pass_a_split_and_an_exit_in_the_update_that_lets_them_leave(journeys, people):
    """The numbers are those of people who had come to each of them."""
    row, steps = journeys.flow(
        ("wait", "delay", DAY, None, 0),
        ("split", "audience_paths", split(GERMAN, BOUGHT), "wait", 0),
        ("exit", "exit", {}, "split", 2),
        ("after", "delay", DAY, "split", 0),
    )
    journeys.launch(row)
    journeys.run()
    updates = updates_of(
        lambda: movement.advance(steps["wait"].pk, now=timezone.now() + timedelta(days=2))
    )

    assert len(updates) == 3
    assert took(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert journeys.numbers(steps["wait"]) == (4, 4, 0, 0)
    assert journeys.numbers(steps["split"]) == (4, 4, 0, 0)
    assert journeys.numbers(steps["exit"]) == (1, 0, 1, 0)
    assert journeys.numbers(steps["after"]) == (3, 0, 0, 3)
    assert laws.broken(now=timezone.now()) == []


def test_people_who_were_erased_take_the_last_branch(journeys, canvas, people):
    row, steps = canvas
    journeys.launch(row)
    engine.admit(row.pk, now=timezone.now())
    Visit.objects.filter(profile=people[0]).update(profile=None)
    movement.advance(steps["split"].pk, now=timezone.now())

    assert took(steps["split"]) == {1: 1, 2: 1, EVERYONE_ELSE: 2}


def test_an_empty_branch_leads_to_what_comes_after_the_block(journeys, people):
    row, steps = journeys.flow(
        ("split", "audience_paths", split(GERMAN), None, 0), ("after", "delay", DAY, "split", 0)
    )
    journeys.launch(row)
    journeys.run()

    assert journeys.numbers(steps["after"]) == (4, 0, 0, 4)


def test_a_branch_tally_is_never_negative(journeys, canvas):
    _row, steps = canvas
    with pytest.raises(IntegrityError), transaction.atomic():
        BranchTally.objects.create(step=steps["split"], branch=1, n=-1)


def test_a_wrong_branch_tally_breaks_a_law(journeys, canvas, people):
    row, _steps = canvas
    journeys.launch(row)
    journeys.run()
    BranchTally.objects.filter(branch=1).update(n=3)

    assert [one.partition(":")[0] for one in laws.broken(now=timezone.now())] == [
        f"L4 step {Step.objects.get(kind='audience_paths').pk}"
    ]


@pytest.mark.parametrize("index", ["visit_due", "event_by_person_and_name"])
def test_the_database_uses_the_indexes(journeys, canvas, people, index):
    row, steps = canvas
    for person in Profile.objects.all():
        builder.add_other_events(person)
    journeys.launch(row)
    engine.admit(row.pk, now=timezone.now())
    add_former_people(journeys, row)
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


def test_the_next_of_many_who_are_due_at_one_time_are_read_in_order(journeys, canvas, monkeypatch):
    row, steps = canvas
    monkeypatch.setattr(crowds, "CROWD", 5)
    journeys.people(400)
    journeys.launch(row)
    engine.admit(row.pk, now=timezone.now())
    add_former_people(journeys, row)
    chosen = plans_of(lambda: movement.advance(steps["split"].pk, now=timezone.now()), "SELECT")

    first, last, ends = chosen
    for plan in (first, last):
        assert "visit_due" in plan
        assert "Sort" not in plan
        assert "TEMP B-TREE" not in plan
    assert "visit_open_once" not in ends


def updates_of(work):
    """Return the updates of visits."""
    with CaptureQueriesContext(connection) as found:
        work()
    start = f'UPDATE "{Visit._meta.db_table}"'
    return [one["sql"] for one in found if one["sql"].startswith(start)]


def add_former_people(journeys, canvas, *, n=500):
    """Add people who have left the canvas, and renew the statistics of the planner."""
    now = timezone.now()
    Visit.objects.bulk_create(
        Visit(canvas=canvas, profile=person, entered_at=now, left_at=now)
        for person in journeys.people(n)
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
