"""Removals wait for a confirmation if too many people would leave a live audience at once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import Signal
from audiencesync.people.segments import live
from canvases import engine
from canvases.engine import brake, exits, signals
from canvases.models import Canvas, Visit
from tests.support import brake_world
from tests.support.canvas_world import catch_up

pytestmark = pytest.mark.thorough


def _plans(work):
    """Return how the database runs each query for signals, without scans of these small tables."""
    table, is_postgres = Signal._meta.db_table, connection.vendor == "postgresql"
    with CaptureQueriesContext(connection) as found:
        work()
    plans = []
    with connection.cursor() as cursor:
        if is_postgres:
            cursor.execute("SET LOCAL enable_seqscan = off")
        for query in found:
            if query["sql"].startswith("SELECT") and f'FROM "{table}"' in query["sql"]:
                cursor.execute(f"EXPLAIN {'' if is_postgres else 'QUERY PLAN'} {query['sql']}")
                plans.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return plans


def test_few_people_leave_without_a_question(world_of_ten):
    brake_world.move(world_of_ten, range(3), "FR")
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (3, False)


def test_removals_of_many_wait_and_the_rest_goes_on(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (0, True)
    world_of_ten.create_people(1)
    brake_world.move(world_of_ten, [10], "DE")
    assert Visit.objects.filter(profile__external_id="p10").exists()
    assert brake_world.removals() == 0


def test_a_look_at_the_brake_counts_only_new_signals(world_of_ten, django_assert_num_queries):
    brake_world.leave(world_of_ten, range(2))
    canvas = world_of_ten.live_canvas
    canvas.refresh_from_db()
    steps = exits.removing_steps(canvas)
    brake.apply(canvas, steps, now=timezone.now())
    with django_assert_num_queries(1):
        brake.apply(canvas, steps, now=timezone.now())
    brake_world.leave(world_of_ten, range(2, 4))
    brake.apply(canvas, steps, now=timezone.now())
    assert brake_world.is_braked(world_of_ten)


def test_a_beat_does_not_read_what_the_brake_holds(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    canvas = world_of_ten.live_canvas
    canvas.refresh_from_db()
    held = Signal.objects.get(listener=canvas.pk, profile__external_id="p0")
    Signal.objects.bulk_create(
        Signal(
            listener=canvas.pk,
            subscription=held.subscription,
            profile_id=10_000_000 + n,
            kind="left",
            at=held.at,
        )
        for n in range(5_000)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Signal._meta.db_table}")
    with_signals = signals.with_work(Canvas.objects.filter(state="live"))
    assert list(with_signals) == []
    looked, worked = (
        _plans(work)
        for work in (
            lambda: list(with_signals.all()),
            lambda: signals.work(canvas.pk, now=timezone.now()),
        )
    )

    assert (len(looked), len(worked)) == (1, 1)
    assert "signal_not_left" in looked[0]
    assert "signal_not_left" in worked[0]
    assert "signal_left_by_profile" in worked[0]
    assert "signal_of_listener" not in worked[0]
    for plan in (*looked, *worked):
        assert f"SCAN {Signal._meta.db_table}" not in plan
        assert f"Seq Scan on {Signal._meta.db_table}" not in plan


def test_a_person_who_came_back_is_free_and_others_are_held(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    brake_world.leave(world_of_ten, [0], "DE")
    canvas = world_of_ten.live_canvas

    unheld_signals = brake.unheld_signals(canvas.pk).order_by("pk")
    assert list(unheld_signals) == list(Signal.objects.exclude(brake.held_q()).order_by("pk"))
    free_signals = unheld_signals.values_list("profile__external_id", "kind")
    assert list(free_signals) == [("p0", "left"), ("p0", "joined")]
    assert brake.n_held(canvas) == 3


def test_a_canvas_that_was_stopped_holds_removals_again(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    engine.stop(world_of_ten.live_canvas, by=world_of_ten.user, now=timezone.now())
    world_of_ten.launch(world_of_ten.live_canvas)
    catch_up(world_of_ten)
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (0, True)


def test_people_who_leave_one_after_the_other_count_together(world_of_ten):
    brake_world.move(world_of_ten, range(2), "FR")
    brake_world.move(world_of_ten, range(2, 5), "FR")
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (2, True)


def test_a_member_lifts_the_brake(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    assert brake.n_held(world_of_ten.live_canvas) == 4
    alice = world_of_ten.user
    assert brake.lift(world_of_ten.live_canvas, by=alice, now=timezone.now())
    catch_up(world_of_ten)
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (4, False)
    assert Activity.objects.filter(verb="changed").exists()
    assert not brake.lift(world_of_ten.live_canvas, by=alice, now=timezone.now())


def test_people_who_come_back_are_not_removed_for_good(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    brake_world.move(world_of_ten, range(4), "DE")
    world_of_ten.live_canvas.refresh_from_db()
    assert (brake.n_held(world_of_ten.live_canvas), brake_world.removals()) == (0, 0)


def test_a_brake_that_holds_no_one_is_released(world_of_ten):
    brake_world.move(world_of_ten, range(4), "FR")
    brake.beat()
    assert brake_world.is_braked(world_of_ten)
    brake_world.move(world_of_ten, range(4), "DE")
    brake.beat()
    assert not brake_world.is_braked(world_of_ten)
    brake_world.move(world_of_ten, [5], "FR")
    assert (brake_world.removals(), brake_world.is_braked(world_of_ten)) == (1, False)


def test_the_page_asks_and_removes(world_of_ten, signed_in):
    brake_world.move(world_of_ten, range(4), "FR")
    client, url = signed_in(world_of_ten.user), world_of_ten.live_canvas.get_absolute_url()
    assert "Remove 4 people" in client.get(url).content.decode()
    client.post(f"{url}brake/", {"n": "3"})
    assert brake_world.is_braked(world_of_ten)
    client.post(f"{url}brake/", {"n": "4"})
    assert not brake_world.is_braked(world_of_ten)
    assert "Remove 4 people" not in client.get(url).content.decode()


def test_a_viewer_cannot_lift_the_brake(world_of_ten, signed_in, vera):
    brake_world.move(world_of_ten, range(4), "FR")
    url = world_of_ten.live_canvas.get_absolute_url()
    assert "Remove 4 people" not in signed_in(vera).get(url).content.decode()
    assert signed_in(vera).post(f"{url}brake/", {"n": "4"}).status_code == 403


def test_leaving_an_exit_segment_counts_as_no_removal(world_of_ten):
    buyers = Segment.objects.create(
        app_group=world_of_ten.app_group,
        name="Buyers",
        filter={"all": [{"field": "language", "op": "is", "value": "fr"}]},
    )
    subscription = live.subscribe(
        world_of_ten.app_group,
        listener=world_of_ten.live_canvas.pk,
        role="exit",
        segment=buyers,
        now=timezone.now(),
    )
    made = [
        Signal(
            listener=world_of_ten.live_canvas.pk,
            subscription=subscription,
            profile=profile,
            kind="left",
            at=timezone.now(),
        )
        for profile in Profile.objects.all()[:5]
    ]
    Signal.objects.bulk_create(made)
    assert brake.n_held(world_of_ten.live_canvas) == 0
    catch_up(world_of_ten)
    assert not brake_world.is_braked(world_of_ten)
