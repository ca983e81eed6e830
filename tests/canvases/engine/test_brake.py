"""Removals wait for a confirmation if too many people would leave a live audience at once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import Signal
from audiencesync.people.segments import live
from audiencesync.people.writing import live_marks
from canvases import engine
from canvases.engine import brake, exits, signals
from canvases.models import Canvas, Visit
from partners.health import lines
from partners.incidents import reconcile
from partners.models import Delivery, Incident, Sync
from partners.notices import alerts

pytestmark = pytest.mark.thorough

GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


@pytest.fixture
def audience_of_ten(journeys, settings):
    """A live audience of ten people; three of them may leave at once."""
    settings.REMOVAL_BRAKE_PEOPLE, settings.REMOVAL_BRAKE_PERCENT = 2, 30
    journeys.segment = Segment.objects.create(
        app_group=journeys.app_group, name="Germans", filter=GERMAN
    )
    journeys.people(10)
    Profile.objects.update(country="DE")
    canvas, [step] = journeys.canvas(("audience_sync", {"removes": True}))
    journeys.asks(step)
    Canvas.objects.filter(pk=canvas.pk).update(entry_by="segment", reentry="left")
    canvas.refresh_from_db()
    journeys.launch(canvas)
    _follow(journeys)
    journeys.live = canvas
    return journeys


def _follow(journeys):
    while live.work(now=timezone.now(), seconds=9):
        pass
    journeys.run()


def _move(journeys, numbers, country):
    _leave(journeys, numbers, country)
    _follow(journeys)


def _leave(journeys, numbers, country="FR"):
    """Write the signals of people who move, which are not worked off yet."""
    people = Profile.objects.filter(external_id__in=[f"p{n}" for n in numbers])
    people.update(country=country)
    live_marks.note(journeys.app_group.pk, people.values_list("pk", flat=True))
    while live.work(now=timezone.now(), seconds=9):
        pass


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


def _removals():
    return Delivery.objects.filter(sync__action="remove").count()


def _is_braked(journeys):
    journeys.live.refresh_from_db()
    return journeys.live.braked_at is not None


def test_few_people_leave_without_a_question(audience_of_ten):
    _move(audience_of_ten, range(3), "FR")
    assert (_removals(), _is_braked(audience_of_ten)) == (3, False)


def test_removals_of_many_wait_and_the_rest_goes_on(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    assert (_removals(), _is_braked(audience_of_ten)) == (0, True)
    audience_of_ten.people(1)
    _move(audience_of_ten, [10], "DE")
    assert Visit.objects.filter(profile__external_id="p10").exists()
    assert _removals() == 0


def test_a_look_at_the_brake_counts_only_new_signals(audience_of_ten, django_assert_num_queries):
    _leave(audience_of_ten, range(2))
    canvas = audience_of_ten.live
    canvas.refresh_from_db()
    steps = exits.removing_steps(canvas)
    brake.apply(canvas, steps, now=timezone.now())
    with django_assert_num_queries(1):
        brake.apply(canvas, steps, now=timezone.now())
    _leave(audience_of_ten, range(2, 4))
    brake.apply(canvas, steps, now=timezone.now())
    assert _is_braked(audience_of_ten)


def test_a_beat_does_not_read_what_the_brake_holds(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    canvas = audience_of_ten.live
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


def test_a_person_who_came_back_is_free_and_others_are_held(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    _leave(audience_of_ten, [0], "DE")
    canvas = audience_of_ten.live

    free = brake.free(canvas.pk).order_by("pk")
    assert list(free) == list(Signal.objects.exclude(brake.held()).order_by("pk"))
    found = free.values_list("profile__external_id", "kind")
    assert list(found) == [("p0", "left"), ("p0", "joined")]
    assert brake.n_held(canvas) == 3


def test_a_canvas_that_was_stopped_holds_removals_again(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    engine.stop(audience_of_ten.live, by=audience_of_ten.user, now=timezone.now())
    audience_of_ten.launch(audience_of_ten.live)
    _follow(audience_of_ten)
    assert (_removals(), _is_braked(audience_of_ten)) == (0, True)


def test_people_who_leave_one_after_the_other_count_together(audience_of_ten):
    _move(audience_of_ten, range(2), "FR")
    _move(audience_of_ten, range(2, 5), "FR")
    assert (_removals(), _is_braked(audience_of_ten)) == (2, True)


def test_a_member_lifts_the_brake(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    assert brake.n_held(audience_of_ten.live) == 4
    alice = audience_of_ten.user
    assert brake.lift(audience_of_ten.live, by=alice, now=timezone.now())
    _follow(audience_of_ten)
    assert (_removals(), _is_braked(audience_of_ten)) == (4, False)
    assert Activity.objects.filter(verb="changed").exists()
    assert not brake.lift(audience_of_ten.live, by=alice, now=timezone.now())


def test_people_who_come_back_are_not_removed_for_good(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    _move(audience_of_ten, range(4), "DE")
    audience_of_ten.live.refresh_from_db()
    assert brake.n_held(audience_of_ten.live) == 0


def test_the_author_is_mailed_once_and_when_it_is_over(audience_of_ten, mailoutbox):
    Canvas.objects.update(created_by=audience_of_ten.user)
    Sync.objects.update(url=f"{audience_of_ten.live.get_absolute_url()}?step=1")
    _move(audience_of_ten, range(4), "FR")
    alerts.send_due(now=timezone.now())
    _move(audience_of_ten, range(4, 6), "FR")
    alerts.send_due(now=timezone.now())
    [mail] = mailoutbox
    assert "4 people left" in mail.body
    assert f"{audience_of_ten.live.get_absolute_url()}#brake" in mail.body
    brake.lift(audience_of_ten.live, by=audience_of_ten.user, now=timezone.now())
    alerts.send_due(now=timezone.now())
    assert mailoutbox[1].subject.startswith("Over in Acme")


def test_held_removals_are_an_incident_until_a_member_confirms(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    reconcile.run(now=timezone.now())
    row = Incident.objects.get()
    assert (row.code, row.people, row.ended_at) == ("removals_held", 4, None)
    [line] = lines.of_group(audience_of_ten.app_group, now=timezone.now())
    assert "4 people left the segment" in line.problem.text
    _move(audience_of_ten, [4], "FR")
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().people == 5
    brake.lift(audience_of_ten.live, by=audience_of_ten.user, now=timezone.now())
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().ended_at


def test_the_incident_is_over_once_all_have_come_back(audience_of_ten):
    _move(audience_of_ten, range(4), "FR")
    reconcile.run(now=timezone.now())
    _move(audience_of_ten, range(4), "DE")
    reconcile.run(now=timezone.now())
    assert Incident.objects.get().ended_at


def test_the_page_asks_and_removes(audience_of_ten, signed_in):
    _move(audience_of_ten, range(4), "FR")
    client, url = signed_in(audience_of_ten.user), audience_of_ten.live.get_absolute_url()
    assert "Remove 4 people" in client.get(url).content.decode()
    client.post(f"{url}brake/", {"n": "3"})
    assert _is_braked(audience_of_ten)
    client.post(f"{url}brake/", {"n": "4"})
    assert not _is_braked(audience_of_ten)
    assert "Remove 4 people" not in client.get(url).content.decode()


def test_a_viewer_cannot_lift_the_brake(audience_of_ten, signed_in, vera):
    _move(audience_of_ten, range(4), "FR")
    url = audience_of_ten.live.get_absolute_url()
    assert "Remove 4 people" not in signed_in(vera).get(url).content.decode()
    assert signed_in(vera).post(f"{url}brake/", {"n": "4"}).status_code == 403


def test_leaving_an_exit_segment_counts_as_no_removal(audience_of_ten):
    buyers = Segment.objects.create(
        app_group=audience_of_ten.app_group,
        name="Buyers",
        filter={"all": [{"field": "language", "op": "is", "value": "fr"}]},
    )
    subscription = live.subscribe(
        audience_of_ten.app_group,
        listener=audience_of_ten.live.pk,
        role="exit",
        segment=buyers,
        now=timezone.now(),
    )
    made = [
        Signal(
            listener=audience_of_ten.live.pk,
            subscription=subscription,
            profile=one,
            kind="left",
            at=timezone.now(),
        )
        for one in Profile.objects.all()[:5]
    ]
    Signal.objects.bulk_create(made)
    assert brake.n_held(audience_of_ten.live) == 0
    _follow(audience_of_ten)
    assert not _is_braked(audience_of_ten)
