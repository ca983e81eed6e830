"""The overview: what needs attention, people synced by day, live canvases, audiences."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.models import Canvas, CanvasHour, Step, StepTally
from partners.incidents import reconcile
from partners.models import Action, AdAccount, Audience, Batch, ParkedBy
from tests.canvases.counting import count
from tests.support import builder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]
URL = "/g/acme/overview/"


def live_canvas(canvas, audience, *, name="Win back", action=Action.ADD):
    """Return the Sync of the only step of a new live canvas."""
    row = Canvas.objects.create(
        app_group=canvas.app_group,
        segment=canvas.segment,
        name=name,
        state=Canvas.State.LIVE,
        launched_at=timezone.now(),
        entered=14_216,
    )
    sync = builder.make_sync(audience, action=action)
    step = Step.objects.create(canvas=row, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    StepTally.objects.create(step=step, entered=12, exited=5, waiting=7)
    return sync


def make_audience(ad_account, name):
    return Audience.objects.create(ad_account=ad_account, name=name, remote_id=f"id-{name}")


@pytest.fixture
def sync(canvas, winback):
    Audience.objects.filter(pk=winback.pk).update(size=9_800)
    return live_canvas(canvas, winback)


@pytest.fixture
def read(client, vera):
    client.force_login(vera)

    def read(query="", **headers):
        answer = client.get(URL + query, headers=headers)
        assert answer.status_code == 200
        return answer

    return read


def words(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_people_synced_are_those_of_the_range_and_compared_with_the_time_before(sync, read):
    now = timezone.now()
    count(sync, at=now, entered=350, synced=300, not_synced=40, errored=10)
    count(sync, at=now - timedelta(days=6), entered=100, synced=100)
    count(sync, at=now - timedelta(days=8), entered=200, synced=200)

    assert "+100 % on the 7 days before" in words(read())
    week, month = (read(f"?range={days}d").context["synced"] for days in (7, 30))

    assert (week.total, week.before, week.change) == (400, 200, 100)
    assert (month.total, month.before, month.change) == (600, 0, None)
    assert [curve.total for curve in week.chart.series] == [400, 40, 10]


def test_the_table_has_the_days_of_the_chart(sync, read):
    count(sync, at=timezone.now(), entered=3, synced=3)
    answer = read("?view=table")
    assert len(answer.context["synced"].chart.rows) == 7
    assert '<svg class="chart"' not in answer.content.decode()


def test_other_groups_do_not_count(sync, read, client, charlie):
    count(sync, at=timezone.now(), entered=3, synced=3)
    group = charlie.memberships.get().app_group
    client.force_login(charlie)
    assert client.get(URL).status_code == 404
    Canvas.objects.create(app_group=group, name="Theirs", launched_at=timezone.now())
    theirs = client.get(f"/g/{group.slug}/overview/").context
    assert (theirs["synced"].total, theirs["canvases"], theirs["audiences"]) == (0, [], [])


def test_a_live_canvas_shows_its_people_and_its_week(sync, read):
    canvas, now = sync.steps.get().canvas, timezone.now()
    CanvasHour.objects.create(canvas=canvas, hour=now.replace(minute=0, second=0), entered=6)
    CanvasHour.objects.create(canvas=canvas, hour=now - timedelta(days=3), entered=3)
    count(sync, at=now, entered=5, pending=2, errored=3)

    [row] = read().context["canvases"]

    assert (row.canvas.name, row.waiting, row.pending, row.errored) == ("Win back", 7, 2, 3)
    assert list(row.entries) == [0, 0, 0, 3, 0, 0, 6]
    assert [bar.height for bar in row.spark][3::3] == ["12.0", "24.0"]
    assert row.spark[-1].is_today


def test_drafts_are_not_listed_as_live(sync, canvas, read):
    context = read().context
    assert [row.canvas.name for row in context["canvases"]] == ["Win back"]
    assert (context["n_live"], context["n_canvases"]) == (1, 2)


def test_an_audience_shows_its_size_and_who_uses_it(sync, canvas, winback, eu, read):
    live_canvas(canvas, winback, name="Suppress", action=Action.REMOVE)
    small = make_audience(eu, "Small")
    live_canvas(canvas, small, name="New")
    make_audience(eu, "Unused")

    page = read()

    tiles = page.context["audiences"]
    assert [(tile.audience.name, tile.n_add, tile.n_remove, tile.is_shown) for tile in tiles] == [
        ("winback", 1, 1, True),
        ("Small", 1, 0, False),
    ]
    assert page.context["n_audiences"] == 2
    assert "9,800" in words(page)
    assert "not yet" in words(page)


def test_a_trouble_is_named_first_with_what_cures_it(sync, winback, read, client, bob):
    assert "Needs attention" not in words(read())
    Audience.objects.filter(pk=winback.pk).update(
        gone_at=timezone.now(), parked_by=ParkedBy.AUDIENCE_GONE
    )
    reconcile.run(now=timezone.now())

    page = read()

    assert "Needs attention 1" in words(page)
    assert "winback" in words(page).split("Needs attention")[1]
    assert [row.trouble.is_danger for row in page.context["canvases"]] == [True]
    button = f'href="{page.context["attention"][0].problem.url}">'
    assert button not in page.content.decode().split('id="by-day"')[0]
    client.force_login(bob)
    assert button in client.get(URL).content.decode().split('id="by-day"')[0]


def test_a_trouble_says_how_many_people_wait_and_until_when(sync, winback, eu, read):
    Audience.objects.filter(pk=winback.pk).update(gone_at=timezone.now())
    reconcile.run(now=timezone.now())
    assert "No one is waiting yet" in words(read())
    now = timezone.now()
    Batch.objects.create(
        sync=sync,
        audience=winback,
        ad_account=eu,
        action="add",
        seq=1,
        n=3,
        created_at=now,
        due_at=now,
        deadline_at=datetime(2031, 5, 6, 10, 7, tzinfo=UTC),
    )
    assert "3 people wait and count as errors from 6 May, 10:07" in words(read())


def test_a_warning_says_what_to_do_and_not_that_no_one_waits(sync, eu, read):
    AdAccount.objects.filter(pk=eu.pk).update(n_audiences=391)
    reconcile.run(now=timezone.now())
    page = words(read())
    assert "391 of 400" in page.split("Needs attention 1")[1]
    assert "No one is waiting yet" not in page


def test_the_connection_says_what_works(sync, read):
    [report] = read().context["reports"]
    assert report.partner.key == "tiktok"
    assert "Access to TikTok: works" in words(read())


def test_the_poll_gets_only_the_numbers(sync, read):
    answer = read("?range=30d", **{"HX-Request": "true", "HX-Target": "overview"})
    page = answer.content.decode().strip()
    assert page.startswith('<div id="overview"')
    assert 'hx-get="?range=30d"' in page


@pytest.mark.parametrize("query", ["?range=x", "?range=24h&view=%00", "?range=all&by=hour"])
def test_odd_choices_are_read_as_the_first(sync, read, query):
    assert read(query).context["synced"].days == 7


def test_queries_do_not_grow_with_canvases_and_audiences(sync, canvas, winback, eu, read):
    read()
    with CaptureQueriesContext(database) as few:
        read()
    for n in range(6):
        live_canvas(canvas, make_audience(eu, f"A{n}"), name=f"C{n}")
    with CaptureQueriesContext(database) as many:
        read()
    assert len(many) == len(few)
