"""Move people through random trees of splits, with kills and changes of profiles.

Each person is always at one step, all tallies hold, and no person passes a step twice.
"""

import random
from collections import defaultdict
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from audiencesync.people.models.live import Signal, Subscription
from canvases import laws, tree
from canvases.engine import crowds, movement, signals
from canvases.models import Canvas, Step, StepTally, Visit
from canvases.steps import KINDS
from tests.canvases.counting import wrong_lists

pytestmark = [pytest.mark.thorough, pytest.mark.slow, pytest.mark.usefixtures("one_morning")]

COUNTRIES = ("DE", "FR", "PL", "")
DELAY = {"amount": 1, "unit": "hours"}


def random_settings(dice, kind):
    def lives_in(country):
        return {"field": "country", "op": "is", "value": country}

    if kind == "decision_split":
        return {"filter": lives_in(dice.choice(COUNTRIES[:3]))}
    if kind == "audience_paths":
        chosen = dice.sample(COUNTRIES[:3], dice.randint(1, 3))
        return {
            "paths": [
                {"number": n, "name": country, "filter": lives_in(country)}
                for n, country in enumerate(chosen, 1)
            ]
        }
    if kind == "wait_until":
        names = dice.sample(["order", "look"], 2)
        rows = [
            {"number": n, "label": name, "kind": "event", "name": name, "where": []}
            for n, name in enumerate(names, 1)
        ]
        return DELAY | {"events": rows, "chooses": dice.choice(["first", "ranked"])}
    return DELAY if kind == "delay" else {}


def grow(canvas_world, dice, n):
    """Return a canvas of n random steps at random places; no step comes after an exit."""
    canvas, _none = canvas_world.create_canvas()
    places = [(None, 0)]
    kinds = ["delay", "decision_split", "audience_paths", "wait_until", "exit"]
    for _i in range(n):
        parent, branch = places.pop(dice.randrange(len(places)))
        kind = dice.choice(kinds if places else kinds[:4])
        given = random_settings(dice, kind)
        place = {"parent": parent, "branch": branch}
        step = Step.objects.create(canvas=canvas, kind=kind, settings=given, **place)
        numbers = [one.number for one in KINDS[kind].branches(step)]
        places += [(step, one) for one in {*numbers, 0} if numbers]  # 0: after the block
        if not places:
            break
    return canvas


class Watch:
    """Checks after each round where each person is, and that no person comes back to a step."""

    def __init__(self, canvas):
        self.canvas, self.been, self.at = canvas, defaultdict(list), {}
        steps = list(canvas.steps.all())
        self.order = {step.pk: n for n, step in enumerate(tree.in_order(steps))}

    def look(self, n_people):
        rows = list(Visit.objects.filter(canvas=self.canvas).values("profile", "step", "left_at"))
        assert len(rows) == len({row["profile"] for row in rows}) == n_people
        for row in rows:
            assert (row["step"] is None) == (row["left_at"] is not None)
            person, step = row["profile"], row["step"]
            if step is not None and self.at.get(person) != step:
                assert step not in self.been[person]
                before = self.been[person][-1:]
                assert all(self.order[one] < self.order[step] for one in before)
                self.been[person].append(step)
            self.at[person] = step
        assert laws.broken(now=timezone.now()) == []


def happen(dice, canvas_world, canvas, people, now):
    """Change profiles, let some people order, and make some visits due earlier."""
    for person in dice.sample(people, 4):
        Profile.objects.filter(pk=person.pk).update(country=dice.choice(COUNTRIES))
    waiting = list(Visit.objects.filter(canvas=canvas, left_at=None).order_by("pk"))
    for visit in dice.sample(waiting, min(2, len(waiting))):
        Visit.objects.filter(pk=visit.pk).update(due_at=visit.due_at - timedelta(hours=2))
    waits = list(Subscription.objects.filter(listener=canvas.pk, role="wait"))
    for person in dice.sample(people, 3) if waits else ():
        wait = dice.choice(waits)
        kind = {"kind": "event", "name": wait.name, "at": now}
        event = Event.objects.create(app_group=canvas_world.app_group, profile=person, **kind)
        about = {"listener": canvas.pk, "subscription": wait, "profile": person, "event": event}
        Signal.objects.create(kind="event", at=now, **about)


class Killed(BaseException):
    """Stands for the death of the process. The engine does not catch a BaseException."""


@contextmanager
def killed(*, before):
    """Raise Killed before the nth statement; the transaction is rolled back, as after a death."""
    n = 0

    def watch(execute, sql, *rest):
        nonlocal n
        # In a test, savepoints stand for transactions. Their end is one statement, which is not a
        # point of death.
        n += not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK"))
        if n == before:
            n += 1  # so that the statements of the rollback are executed
            raise Killed
        return execute(sql, *rest)

    with suppress(Killed), connection.execute_wrapper(watch):
        yield


def work(dice, move, *what, **how):
    """Do a part of a beat; in one of three cases it is killed first, then repeated."""
    if dice.random() < 1 / 3:
        with killed(before=dice.randint(1, 25)):
            move(*what, **how)
    move(*what, **how)


@pytest.mark.parametrize("seed", range(3))
def test_everybody_is_in_one_place_and_no_step_is_passed_twice(canvas_world, monkeypatch, seed):
    dice = random.Random(seed)
    monkeypatch.setattr(crowds, "CROWD", 5)
    people = canvas_world.create_people(16)
    canvas = grow(canvas_world, dice, 14)
    canvas_world.launch(canvas)
    movement.admission.admit(canvas.pk, now=timezone.now())
    watch, now = Watch(canvas), timezone.now()
    ends = crowds.Ends()  # one for all rounds: people who arrive before an end must not be lost

    for round_ in range(26):
        happen(dice, canvas_world, canvas, people, now)
        work(dice, signals.work, canvas.pk, now=now)
        for step in dice.sample(list(canvas.steps.all()), canvas.steps.count()):
            work(dice, movement.advance, step.pk, now=now, ends=ends)
        watch.look(len(people))
        now += timedelta(minutes=45)
        if round_ in (3, 12):  # not after each round, because it is slow
            assert wrong_lists(canvas) == []

    assert wrong_lists(canvas) == []
    assert not Visit.objects.filter(left_at=None).exists()
    assert Canvas.objects.get(pk=canvas.pk).entered == len(people)
    assert all(row.entered <= len(people) for row in StepTally.objects.all())
