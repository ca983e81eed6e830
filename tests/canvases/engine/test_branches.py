"""People take one branch of a split, the first that fits; branches meet again after the block."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from canvases import engine, laws
from canvases.engine import movement
from canvases.models import BranchTally, Step, Visit
from canvases.steps.audience_paths import AudiencePaths
from canvases.steps.numbered import EVERYONE_ELSE

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
GERMAN = {"field": "country", "op": "is", "value": "DE"}
BOUGHT = {"event": "order", "op": "at_least", "n": 1, "days": 30}


def split(*filters):
    paths = [{"number": n, "name": f"Path {n}", "filter": one} for n, one in enumerate(filters, 1)]
    return {"paths": paths}


@pytest.fixture
def canvas(canvas_world):
    """A split by country and by event, with an exit; a delay after the block."""
    return canvas_world.create_flow(
        ("split", "audience_paths", split(GERMAN, BOUGHT), None, 0),
        ("german", "delay", DAY, "split", 1),
        ("exit", "exit", {}, "split", 2),
        ("after", "delay", DAY, "split", 0),
    )


@pytest.fixture
def people(canvas_world):
    """Two Germans, one of whom bought; one foreigner who bought; one foreigner who did not."""
    profiles = canvas_world.create_people(4)
    Profile.objects.filter(pk__in=[profiles[0].pk, profiles[1].pk]).update(country="DE")
    for person in (profiles[1], profiles[2]):
        Event.objects.create(
            app_group=canvas_world.app_group,
            profile=person,
            kind="event",
            name="order",
            at=timezone.now() - timedelta(days=3),
        )
    return profiles


def branch_counts(split):
    """Return branch -> how many people took it."""
    return dict(BranchTally.objects.filter(step=split).values_list("branch", "n"))


def test_each_person_takes_the_first_branch_that_fits(canvas_world, canvas, people):
    row, steps = canvas
    canvas_world.launch(row)
    canvas_world.run()

    assert branch_counts(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert canvas_world.step_counts(steps["german"]) == (2, 0, 0, 2)
    assert canvas_world.step_counts(steps["exit"]) == (1, 0, 1, 0)
    assert canvas_world.step_counts(steps["after"]) == (1, 0, 0, 1)
    assert laws.broken(now=timezone.now()) == []


def test_branches_meet_after_the_block_unless_they_end_with_an_exit(canvas_world, canvas, people):
    row, steps = canvas
    canvas_world.launch(row)
    canvas_world.run()
    canvas_world.run(timezone.now() + timedelta(days=1))

    assert canvas_world.step_counts(steps["german"]) == (2, 2, 0, 0)
    # The fourth person has waited here for a day; the two Germans have arrived now.
    assert canvas_world.step_counts(steps["after"]) == (3, 0, 1, 2)
    canvas_world.run(timezone.now() + timedelta(days=3))
    assert not Visit.objects.filter(left_at=None).exists()
    assert laws.broken(now=timezone.now()) == []


def test_a_profile_that_changes_between_two_updates_takes_one_branch(canvas_world, canvas, people):
    """A person who bought nothing moves to Germany after the update for the branch of Germans."""
    row, steps = canvas
    canvas_world.launch(row)
    engine.admit(row.pk, now=timezone.now())

    with changing_after_each_move(lambda: Profile.objects.update(country="DE")):
        movement.advance(steps["split"].pk, now=timezone.now())

    assert branch_counts(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert laws.broken(now=timezone.now()) == []


def test_the_seeded_bug_of_everyone_else_is_found(canvas_world, canvas, people, monkeypatch):
    """Seeded bug: "everyone else" is selected by a condition instead of taking all who are left."""
    real_branches = AudiencePaths.branches

    def branches(kind, step):
        *paths, rest = real_branches(kind, step)
        return (*paths, replace(rest, condition={"none": [path.condition for path in paths]}))

    monkeypatch.setattr(AudiencePaths, "branches", branches)
    with pytest.raises(AssertionError):
        test_a_profile_that_changes_between_two_updates_takes_one_branch(
            canvas_world, canvas, people
        )


def changing_after_each_move(change):
    """Run ``change`` before each update of visits except the first."""
    updates = []

    def watch(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and Visit._meta.db_table in sql.split("SET")[0]:
            if updates:
                change()
            updates.append(sql)
        return execute(sql, params, many, context)

    return connection.execute_wrapper(watch)


def test_a_split_sees_what_is_stored_when_the_crowd_moves(canvas_world, people):
    row, steps = canvas_world.create_flow(
        ("wait", "delay", DAY, None, 0), ("split", "audience_paths", split(GERMAN), "wait", 0)
    )
    canvas_world.launch(row)
    canvas_world.run()
    Profile.objects.update(country="DE")
    canvas_world.run(timezone.now() + timedelta(days=2))

    assert branch_counts(steps["split"]) == {1: 4}


def test_people_pass_a_split_and_an_exit_in_the_update_that_lets_them_leave(canvas_world, people):
    """The counts of each step are the same as when people stop there."""
    row, steps = canvas_world.create_flow(
        ("wait", "delay", DAY, None, 0),
        ("split", "audience_paths", split(GERMAN, BOUGHT), "wait", 0),
        ("exit", "exit", {}, "split", 2),
        ("after", "delay", DAY, "split", 0),
    )
    canvas_world.launch(row)
    canvas_world.run()
    updates = updates_of(
        lambda: movement.advance(steps["wait"].pk, now=timezone.now() + timedelta(days=2))
    )

    assert len(updates) == 3  # one for each branch
    assert branch_counts(steps["split"]) == {1: 2, 2: 1, EVERYONE_ELSE: 1}
    assert canvas_world.step_counts(steps["wait"]) == (4, 4, 0, 0)
    assert canvas_world.step_counts(steps["split"]) == (4, 4, 0, 0)
    assert canvas_world.step_counts(steps["exit"]) == (1, 0, 1, 0)
    assert canvas_world.step_counts(steps["after"]) == (3, 0, 0, 3)
    assert laws.broken(now=timezone.now()) == []


def test_people_who_were_erased_take_the_last_branch(canvas_world, canvas, people):
    row, steps = canvas
    canvas_world.launch(row)
    engine.admit(row.pk, now=timezone.now())
    Visit.objects.filter(profile=people[0]).update(profile=None)
    movement.advance(steps["split"].pk, now=timezone.now())

    assert branch_counts(steps["split"]) == {1: 1, 2: 1, EVERYONE_ELSE: 2}


def test_an_empty_branch_leads_to_what_comes_after_the_block(canvas_world, people):
    row, steps = canvas_world.create_flow(
        ("split", "audience_paths", split(GERMAN), None, 0), ("after", "delay", DAY, "split", 0)
    )
    canvas_world.launch(row)
    canvas_world.run()

    assert canvas_world.step_counts(steps["after"]) == (4, 0, 0, 4)


def test_a_branch_tally_is_never_negative(canvas):
    _row, steps = canvas
    with pytest.raises(IntegrityError), transaction.atomic():
        BranchTally.objects.create(step=steps["split"], branch=1, n=-1)


def test_a_wrong_branch_tally_breaks_a_law(canvas_world, canvas, people):
    row, _steps = canvas
    canvas_world.launch(row)
    canvas_world.run()
    BranchTally.objects.filter(branch=1).update(n=3)

    assert [law.partition(":")[0] for law in laws.broken(now=timezone.now())] == [
        f"L4 step {Step.objects.get(kind='audience_paths').pk}"
    ]


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        ({"left_at": "2026-11-01T00:00Z"}, "L4: 4 visits are over, but at a step"),
        ({"step": None, "due_at": None}, "L4: 4 visits are not over, but at no step"),
    ],
)
def test_a_visit_whose_place_and_end_disagree_breaks_a_law(
    canvas_world, canvas, people, wrong, law
):
    row, _steps = canvas
    canvas_world.launch(row)
    engine.admit(row.pk, now=timezone.now())
    Visit.objects.update(**wrong)

    assert law in laws.broken(now=timezone.now())


def updates_of(work):
    """Return the updates of visits."""
    with CaptureQueriesContext(connection) as found:
        work()
    start = f'UPDATE "{Visit._meta.db_table}"'
    return [one["sql"] for one in found if one["sql"].startswith(start)]
