"""Sweeps of live segments: when they are due, pauses, and kills between two parts."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import ChangedProfile, SegmentMember, Signal, Subscription
from audiencesync.people.segments import live, live_changes

MINUTE = timedelta(minutes=1)
SILVER = {"field": "custom.plan", "op": "is", "value": "silver"}


@pytest.fixture
def small_chunks(monkeypatch):
    """Make parts of sweeps and transactions of two people."""
    monkeypatch.setattr(live, "SWEPT", 2)
    monkeypatch.setattr(live, "CHUNK", 2)


def create_unmarked(make_profile, n=1):
    """Make people without marks, like a writer that began before the subscription existed."""
    return [make_profile(attributes={"plan": "gold"}).pk for _n in range(n)]


def sweep(listener, after):
    """Let live segments work at a time ``after`` now; return the signals of the listener."""
    while live.work(now=timezone.now() + after, seconds=60):
        pass
    return listener.signals()


def test_a_change_by_a_writer_older_than_the_subscription_is_found(make_profile, listen):
    listener = listen()
    (pk,) = create_unmarked(make_profile)
    assert sweep(listener, 4 * MINUTE) == []
    assert sweep(listener, 6 * MINUTE) == [("joined", pk)]


@pytest.mark.parametrize(
    ("chosen", "minutes"),
    [
        (SILVER, 24 * 60),
        ({"event": "order", "op": "at_least", "n": 1}, 24 * 60),
        ({"event": "order", "op": "never", "days": 30}, 15),
        ({"all": [SILVER, {"field": "created_at", "op": "more_than_days_ago", "value": 3}]}, 15),
        ({"audience": 7, "op": "in"}, 15),
        ("inner", 15),
    ],
)
def test_time_conditions_are_swept_often(acme, gold_segment, listen, chosen, minutes):
    if chosen == "inner":
        timed = {"event": "order", "op": "never", "days": 30}
        inner = Segment.objects.create(app_group=acme, name="inner", filter=timed)
        chosen = {"segment": str(inner.api_id), "op": "in"}
    Segment.objects.filter(pk=gold_segment.pk).update(filter=chosen)
    listener = listen()
    swept_at = timezone.now() + 6 * MINUTE
    live.work(now=swept_at, seconds=60)
    row = Subscription.objects.get(pk=listener.subscription.pk)
    assert row.sweep_at == swept_at + minutes * MINUTE


def test_a_killed_sweep_continues_where_it_stopped(small_chunks, make_profile, listen):
    listener = listen()
    people = create_unmarked(make_profile, 5)
    later = timezone.now() + 6 * MINUTE
    live.sweep_some(now=later)
    assert Subscription.objects.get().sweep_cursor == people[1]
    assert sweep(listener, 6 * MINUTE) == [("joined", pk) for pk in people]


def test_a_sweep_killed_before_its_cursor_moves_repeats_nothing(small_chunks, make_profile, listen):
    listener = listen()
    people = create_unmarked(make_profile, 3)
    later = timezone.now() + 6 * MINUTE
    live.sweep_some(now=later)
    Subscription.objects.update(sweep_cursor=0)
    assert sweep(listener, 6 * MINUTE) == [("joined", pk) for pk in people]


def test_an_edit_begins_a_sweep_again(small_chunks, make_profile, gold_segment, listen):
    listener = listen()
    create_unmarked(make_profile, 5)
    silver = make_profile(attributes={"plan": "silver"}).pk
    live.sweep_some(now=timezone.now() + 6 * MINUTE)
    first = listener.signals()
    Segment.objects.filter(pk=gold_segment.pk).update(filter=SILVER)
    live.segment_saved(gold_segment, timezone.now())
    signals = sweep(listener, MINUTE)
    assert signals == [*(("left", pk) for _kind, pk in first), ("joined", silver)]


def test_an_edit_during_a_part_of_a_sweep_is_not_skipped(
    small_chunks, make_profile, gold_segment, listen, monkeypatch
):
    listener = listen()
    people = create_unmarked(make_profile, 3)
    find_moves = live_changes.moves

    def edit_meanwhile(subscription, within, **options):
        moved = find_moves(subscription, within, **options)
        if within.ids is None:
            monkeypatch.setattr(live_changes, "moves", find_moves)
            live.segment_saved(gold_segment, timezone.now())
        return moved

    monkeypatch.setattr(live_changes, "moves", edit_meanwhile)
    live.sweep_some(now=timezone.now() + 6 * MINUTE)
    assert Subscription.objects.get().sweep_cursor == 0
    assert sweep(listener, 6 * MINUTE) == [("joined", pk) for pk in people]


def test_changes_are_worked_through_in_chunks(small_chunks, api, person, listen):
    listener = listen()
    names = "abcde"
    api.track(attributes=[{"external_id": name, "plan": "gold"} for name in names])
    live.compare_changed(now=timezone.now())
    assert (ChangedProfile.objects.count(), Signal.objects.count()) == (3, 2)
    assert listener.work() == [("joined", person(name).pk) for name in names]


def test_a_chunk_that_fails_changes_nothing(api, listen, monkeypatch):
    listener = listen()
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    with monkeypatch.context() as broken:
        broken.setattr(live_changes, "_SIGNAL", "no_such_table")
        with pytest.raises(DatabaseError), transaction.atomic():
            live.compare_changed(now=timezone.now())
    assert not SegmentMember.objects.exists()
    assert [kind for kind, _pk in listener.work()] == ["joined"]


def test_a_paused_listener_gets_no_signal_until_it_resumes(api, person, listen):
    listener = listen()
    carts = listen(segment=None, kind="event", name="cart")
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    assert listener.work() == [("joined", person("a").pk)]
    cart = {"external_id": "a", "name": "cart", "time": "2026-11-01T00:00:00Z"}
    api.track(events=[cart])
    live.pause(listener.subscription.listener)
    api.track(events=[cart], attributes=[{"external_id": "a", "plan": "free"}])
    assert (listener.work(), len(listener.members())) == ([], 1)
    live.resume(listener.subscription.listener, timezone.now())
    assert carts.work() == [("left", person("a").pk)]


def test_a_late_event_of_a_pause_is_dropped_at_its_end(listen):
    carts = listen(segment=None, kind="event", name="cart")
    live.pause(carts.subscription.listener)
    Signal.objects.create(  # like one by a writer that began before the pause
        listener=7, subscription=carts.subscription, profile_id=1, kind="event", at=timezone.now()
    )
    live.resume(carts.subscription.listener, timezone.now())
    assert carts.signals() == []


def test_a_resumed_listener_is_swept_once_more_after_five_minutes(make_profile, listen):
    listener = listen()
    live.pause(listener.subscription.listener)
    live.resume(listener.subscription.listener, timezone.now())
    assert sweep(listener, MINUTE) == []
    (pk,) = create_unmarked(make_profile)
    assert sweep(listener, 6 * MINUTE) == [("joined", pk)]


def test_people_of_another_group_do_not_join(other_group, make_profile, listen):
    listener = listen()
    make_profile(app_group=other_group, attributes={"plan": "gold"})
    assert sweep(listener, 6 * MINUTE) == []
    assert Profile.objects.count() == 1


def test_a_subscription_is_made_once(make_profile, listen):
    create_unmarked(make_profile, 3)
    assert listen().subscription == listen().subscription
    assert Subscription.objects.count() == 1
