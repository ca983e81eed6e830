"""People wait for an event or a segment, and take "everyone else" when the time is over."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from audiencesync.people.segments import live
from canvases import engine, laws
from canvases.editing import edit
from canvases.models import BranchTally, Canvas, Step, Visit
from canvases.steps import KINDS
from tests.support.canvas_world import catch_up, change_people

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}
BIG = [{"property": "total", "op": "greater", "value": 50}]
EVERYONE_ELSE = 8


@pytest.fixture
def vip(acme):
    only = {"field": "country", "op": "is", "value": "DE"}
    return Segment.objects.create(app_group=acme, name="VIP", filter=only)


@pytest.fixture
def waiting(canvas_world, vip):
    """Four people wait for an order of more than 50, any purchase, or to join VIP."""
    canvas_world.create_people(4)
    Profile.objects.filter(external_id="p3").update(country="DE")  # in VIP already
    events = [
        {"number": 1, "label": "Order", "kind": "event", "name": "order", "where": BIG},
        {"number": 2, "label": "Bought", "kind": "purchase", "name": "", "where": []},
        {"number": 3, "label": "VIP", "kind": "segment", "segment": str(vip.api_id)},
    ]
    canvas, steps = canvas_world.create_flow(
        ("wait", "wait_until", DAY | {"events": events}, None, 0),
        ("ordered", "delay", DAY, "wait", 1),
        ("after", "delay", DAY, "wait", 0),
    )
    KINDS["wait_until"].on_saved(steps["wait"])
    canvas_world.launch(canvas)
    canvas_world.run()
    canvas_world.steps, canvas_world.journey = steps, canvas
    return canvas_world


def send(canvas_world, *events, purchases=()):
    now = timezone.now()

    def when(at):
        return (now + timedelta(seconds=at) if isinstance(at, int) else at).isoformat()

    sent = [
        {"external_id": one, "name": name, "time": when(at), "properties": {"total": total}}
        for one, name, total, at in events
    ]
    bought = [
        {"external_id": one, "product_id": "x", "currency": "EUR", "price": 1, "time": when(at)}
        for one, at in purchases
    ]
    track(canvas_world.app_group, {"attributes": [], "events": sent, "purchases": bought}, now=now)
    canvas_world.run()


def branch_counts(canvas_world):
    return dict(BranchTally.objects.values_list("branch", "n"))


def test_what_happens_first_chooses_the_branch(waiting):
    send(waiting, ("p0", "order", 60, 0), purchases=[("p0", 1), ("p1", 0)])

    assert branch_counts(waiting) == {1: 1, 2: 1}
    assert waiting.step_counts(waiting.steps["ordered"]) == (1, 0, 0, 1)
    assert waiting.step_counts(waiting.steps["wait"]) == (4, 2, 0, 2)
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize(
    "event",
    [("p0", "order", 40, 0), ("p0", "other", 60, 0), ("p0", "order", 60, -60)],
    ids=["another property", "another name", "before the wait"],
)
def test_what_does_not_fit_changes_nothing(waiting, event):
    send(waiting, event)

    assert branch_counts(waiting) == {}
    assert not Signal.objects.exists()


def test_members_of_a_segment_are_noted_part_by_part_before_the_launch(waiting, monkeypatch):
    """Noting a million people in one transaction would block the engine."""
    monkeypatch.setattr(live, "SWEPT", 1)
    Profile.objects.update(country="DE")
    canvas = waiting.journey
    engine.stop(canvas, by=waiting.user, now=timezone.now())
    Subscription.objects.filter(role="wait", kind="segment").delete()
    states = []

    def watch(execute, sql, params, many, context):
        if sql.strip().startswith(f"INSERT INTO {SegmentMember._meta.db_table}"):
            states.append(Canvas.objects.get().state)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        waiting.launch(canvas)

    assert states == [Canvas.State.STOPPED] * 5  # one for each of four people, one for the end
    assert SegmentMember.objects.count() == 4
    live.work(now=timezone.now(), seconds=5)
    waiting.run()
    assert branch_counts(waiting) == {}  # only joining counts, and all are members already


def test_members_of_a_segment_are_noted_before_a_live_wait_names_it(waiting, acme, monkeypatch):
    """They are noted part by part, too, and waiting event signals of the canvas are not lost."""
    monkeypatch.setattr(live, "SWEPT", 2)
    french = {"field": "country", "op": "is", "value": "FR"}
    segment = Segment.objects.create(app_group=acme, name="French", filter=french)
    Profile.objects.filter(external_id="p0").update(country="FR")
    step, versions = waiting.steps["wait"], []
    row = {"number": 4, "label": "FR", "kind": "segment", "segment": str(segment.api_id)}
    settings = step.settings | {"events": [*step.settings["events"], row]}
    bought = {"external_id": "p1", "product_id": "x", "currency": "EUR", "price": 1}
    bought["time"] = timezone.now().isoformat()
    track(acme, {"attributes": [], "events": [], "purchases": [bought]}, now=timezone.now())

    def watch(execute, sql, params, many, context):
        if sql.strip().startswith(f"INSERT INTO {SegmentMember._meta.db_table}"):
            versions.append(Step.objects.get(pk=step.pk).version)
        return execute(sql, params, many, context)

    how = {"version": step.version, "by": waiting.user, "now": timezone.now()}
    with connection.execute_wrapper(watch):
        edit.save_settings(step, settings, **how)

    assert versions == [step.version] * 3
    catch_up(waiting)
    assert branch_counts(waiting) == {2: 1}  # p0 is in it already
    change_people(waiting, "p2", country="FR")
    catch_up(waiting)
    assert branch_counts(waiting) == {2: 1, 4: 1}


def save_meanwhile(waiting, **meanwhile):
    """Save a wait for one more segment; meanwhile its row changes, before the save locks it.

    ``stores``: the other change waits for that segment, too.
    """
    step = waiting.steps["wait"]
    french = {"field": "country", "op": "is", "value": "FR"}
    segment = Segment.objects.create(app_group=waiting.app_group, name="French", filter=french)
    row = {"number": 4, "label": "FR", "kind": "segment", "segment": str(segment.api_id)}
    settings = step.settings | {"events": [*step.settings["events"], row]}
    if meanwhile.pop("stores", False):
        meanwhile["settings"] = settings | {"amount": 9}

    def change_first(execute, sql, params, many, context):
        if sql.strip().startswith(f"INSERT INTO {SegmentMember._meta.db_table}"):
            Step.objects.filter(pk=step.pk).update(**meanwhile)
        return execute(sql, params, many, context)

    how = {"version": step.version, "by": waiting.user, "now": timezone.now()}
    with connection.execute_wrapper(change_first):
        edit.save_settings(step, settings, **how)


def segment_subscriptions():
    rows = Subscription.objects.filter(kind="segment").order_by("segment__name")
    return list(rows.values_list("segment__name", "is_paused"))


@pytest.mark.parametrize(
    ("meanwhile", "refusal"),
    [({"version": 9}, edit.Stale), ({"removed_at": timezone.now()}, edit.NotAllowed)],
)
def test_a_refused_save_leaves_nothing_behind(waiting, meanwhile, refusal):
    with pytest.raises(refusal):
        save_meanwhile(waiting, **meanwhile)
    assert segment_subscriptions() == [("VIP", False)]


def test_a_refused_save_leaves_what_another_save_needs(waiting):
    with pytest.raises(edit.Stale):
        save_meanwhile(waiting, version=9, stores=True)
    assert [name for name, _is_paused in segment_subscriptions()] == ["French", "VIP"]


def test_who_joined_while_the_canvas_was_stopped_counts(waiting):
    engine.stop(waiting.journey, by=waiting.user, now=timezone.now())
    Profile.objects.filter(external_id="p0").update(country="DE")
    waiting.launch(waiting.journey)
    live.work(now=timezone.now(), seconds=5)
    waiting.run()

    assert branch_counts(waiting) == {3: 1}


def test_who_meets_nothing_takes_everyone_else_when_the_time_is_over(waiting):
    waiting.run(timezone.now() + timedelta(hours=23))
    assert branch_counts(waiting) == {}
    waiting.run(timezone.now() + timedelta(hours=25))

    assert branch_counts(waiting) == {EVERYONE_ELSE: 4}
    assert laws.broken(now=timezone.now()) == []


def test_joining_a_segment_counts_and_being_in_it_does_not(waiting):
    Profile.objects.filter(external_id="p0").update(country="DE")
    Subscription.objects.filter(role="wait", kind="segment").update(sweep_at=timezone.now())
    live.work(now=timezone.now(), seconds=5)
    waiting.run()

    assert branch_counts(waiting) == {3: 1}
    assert Visit.objects.get(branch=None, step=waiting.steps["after"]).profile.external_id == "p0"


@pytest.mark.parametrize(("minutes", "counts"), [(-30, True), (-90, False)])
def test_an_event_that_arrives_late_counts_if_it_happened_within_the_wait(ranked, minutes, counts):
    hour_ago = timezone.now() - timedelta(hours=1)
    Visit.objects.update(arrived_at=hour_ago, entered_at=hour_ago)
    send(ranked, ("p0", "order", 1, 60 * minutes))

    assert branch_counts(ranked) == ({2: 1} if counts else {})


def test_a_canvas_hears_only_of_what_it_waits_for(waiting):
    expected = {("wait", "event", "order"), ("wait", "purchase", ""), ("wait", "segment", "")}
    rows = Subscription.objects.filter(listener=waiting.journey.pk)
    assert set(rows.values_list("role", "kind", "name")) == expected


@pytest.fixture
def ranked(canvas_world):
    """One person waits for an order or a look; the order has the higher rank."""
    canvas_world.create_people(1)
    names = {1: "look", 2: "order"}
    rows = [{"number": n, "label": name, **named(name)} for n, name in names.items()]
    chosen = {"chooses": "ranked", "events": rows[::-1]}
    canvas, [step] = canvas_world.create_canvas(("wait_until", DAY | chosen))
    canvas_world.launch(canvas)
    canvas_world.run()
    canvas_world.steps = {"wait": step}
    return canvas_world


def named(name):
    return {"kind": "event", "name": name, "where": []}


def test_a_lower_rank_waits_for_the_deadline(ranked):
    send(ranked, ("p0", "look", 1, 0))
    ranked.run(timezone.now() + timedelta(hours=23))
    assert branch_counts(ranked) == {}
    assert laws.broken(now=timezone.now()) == []

    ranked.run(timezone.now() + timedelta(hours=25))
    assert branch_counts(ranked) == {1: 1}
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize("order", [("look", "order"), ("order", "look")], ids="-".join)
@pytest.mark.parametrize("calls", [1, 2])
def test_the_topmost_decides_at_once_in_whatever_order_they_arrive(ranked, order, calls):
    events = [("p0", name, 1, n) for n, name in enumerate(order)]
    for some in ([events], [events[:1], events[1:]])[calls - 1]:
        send(ranked, *some)

    assert branch_counts(ranked) == {2: 1}
    assert ranked.step_counts(ranked.steps["wait"]) == (1, 0, 1, 0)
    assert laws.broken(now=timezone.now()) == []
