"""The staff table: groups with incidents first, forecasts, filters, fragments for htmx."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from canvases.models import Canvas
from partners.incidents import reconcile
from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Incident,
    Push,
    PushShare,
    TallyDay,
)
from tests.canvases.views.test_staff_analytics import URL, csv_of, make_step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
NOW = (timezone.now() + timedelta(days=1)).replace(hour=12, minute=30)


@pytest.fixture(autouse=True)
def _noon(time_machine):
    """Set the clock to noon, so that no day ends during a test."""
    time_machine.move_to(NOW)


@pytest.fixture
def staff(signed_in, charlie):
    charlie.is_staff = True
    charlie.save()
    return signed_in(charlie)


@pytest.fixture
def theirs(other_group):
    """Return an audience of another group with its own connection."""
    connection = Connection(app_group=other_group, partner="tiktok")
    connection.set_token("token-of-no-value")
    connection.save()
    account = AdAccount.objects.create(connection=connection, remote_id="7200", name="Theirs")
    return Audience.objects.create(ad_account=account, remote_id="9200", name="theirs")


def wait(step, *, ago, n=5, deadline_at=None):
    audience = step.sync.audience
    return Batch.objects.create(
        sync=step.sync,
        audience=audience,
        ad_account=audience.ad_account,
        action="add",
        kinds=["email"],
        seq=1,
        n=n,
        created_at=NOW - ago,
        due_at=NOW - ago,
        deadline_at=deadline_at,
    )


def names(client, **query):
    return [row["Canvas"] for row in csv_of(client, **query)]


@pytest.fixture
def trouble(acme, other_group, winback, theirs):
    """Open an incident in the other group, although the first has people who wait longer."""
    wait(make_step(acme, winback, canvas="Fine", pending=5), ago=timedelta(hours=2))
    held = make_step(other_group, theirs, canvas="Held", pending=5)
    wait(held, ago=timedelta(minutes=5), deadline_at=NOW + timedelta(hours=9))
    held.sync.is_live = True
    held.sync.save()
    connection = theirs.ad_account.connection
    connection.parked_by, connection.parked_since = "token", NOW
    connection.save()
    reconcile.run(now=NOW)
    return held


def test_groups_with_an_open_incident_are_listed_first(staff, trouble):
    assert names(staff) == ["Held", "Fine"]
    assert names(staff, sort="oldest_pending") == ["Fine", "Held"]
    assert names(staff, trouble="on") == ["Held"]
    assert [row["Connection"] for row in csv_of(staff)] == ["Reconnect", "Connected"]


def test_numbers_of_all_groups_lead_to_all_of_them(staff, trouble):
    page = staff.get(URL, {"q": "Fine", "state": "live"})
    to = re.search(r'href="([^"]*)" id="kpi-trouble"[^>]*>\s*(\d+)', page.content.decode())

    assert (to[2], staff.get(URL + unescape(to[1])).context["totals"].n_groups) == ("1", 1)


def test_people_who_wait_have_a_forecast_unless_they_are_held(staff, trouble):
    held, fine = csv_of(staff)
    assert held["Done about (UTC)"] == ""
    assert held["Errors from (UTC)"]
    assert fine["Done about (UTC)"] > NOW.isoformat(timespec="minutes")[:16]

    Batch.objects.filter(sync__steps__canvas__name="Fine").update(first_failed_at=NOW)
    assert csv_of(staff)[1]["Done about (UTC)"] == ""  # no one knows when requests succeed again


def test_held_removals_are_named_and_hold_no_one_else(staff, acme, winback):
    step = make_step(acme, winback, pending=5)
    wait(step, ago=timedelta(minutes=5))
    Incident.objects.create(app_group=acme, sync=step.sync, code="removals_held", begun_at=NOW)

    cell = staff.get(URL).content.decode().split('data-metric="pending"')[1].split("</td>")[0]

    assert "removals held" in cell
    assert "done about" in cell
    assert csv_of(staff)[0]["Connection"] == "Removals held"
    Incident.objects.update(code="audience_gone")
    cell = staff.get(URL).content.decode().split('data-metric="pending"')[1].split("</td>")[0]
    assert 'class="below"' not in cell


def test_synced_today_is_of_the_steps_that_are_shown(staff, acme, other_group, winback, theirs):
    for step in (
        make_step(acme, winback, canvas="Fine", synced=100),
        make_step(other_group, theirs, canvas="Other", synced=20),
    ):
        TallyDay.objects.create(sync=step.sync, day=NOW.date())

    for query, n in (("", "120"), ("Other", "20")):  # the link keeps the filter
        page = staff.get(URL, {"q": query}).content.decode()
        link, n_found = re.search(r'href="([^"]*)" id="kpi-today"[^>]*>\s*(\d+)', page).groups()
        assert (n_found, query in link) == (n, True)


def test_only_people_who_wait_long_are_listed_if_asked(staff, trouble):
    assert names(staff, pending="60") == ["Fine"]
    assert names(staff, pending="360") == []


def test_first_try_is_of_the_people_tried_first_today(staff, acme, winback):
    step = make_step(acme, winback, synced=100)
    for first, accepted in ((75, 75), (25, 15), (0, 0)):
        push = Push.objects.create(
            ad_account=winback.ad_account,
            action="add",
            people=75,
            ids=75,
            at=timezone.now(),
            ms=9,
            code="0" if first == accepted else "20001",
        )
        PushShare.objects.create(
            push=push, sync=step.sync, people=75, first_people=first, first_accepted=accepted
        )

    assert csv_of(staff)[0]["First try in %"] == "90.00"


def test_each_chip_removes_its_filter_and_the_address_can_be_copied(staff, acme, winback):
    make_step(acme, winback, synced=1)
    query = {"q": "", "state": "live", "group": "acme", "since": "", "sort": "-errored"}
    page = staff.get(URL, query).content.decode()
    german = staff.get(URL, {"since": "2026-03-02"}, headers={"Accept-Language": "de"})

    assert "State: Live" in page
    assert "Von: 02.03.2026" in german.content.decode()
    assert 'href="?group=acme&amp;sort=-errored" hx-get' in page
    assert "http://testserver/analytics/?state=live&amp;group=acme&amp;sort=-errored</code>" in page


def test_htmx_gets_only_the_part_that_the_filter_changes(staff, acme, winback):
    make_step(acme, winback, synced=1)
    part = staff.get(URL, headers={"HX-Request": "true"})

    assert part.content.decode().lstrip().startswith('<div id="analytics"')
    assert "HX-Request" in part["Vary"]


def test_the_poll_asks_for_the_same_page_and_adds_no_history(staff, acme, winback):
    make_step(acme, winback, synced=1)
    url = f"{URL}?state=live&sort=-errored"
    page = staff.get(url).content.decode()
    [poll] = re.findall(r'<div id="poll"[^>]*>', page)
    parts = re.search('hx-select-oob="([^"]*)"', poll)[1].replace(":morph", "").split(",")

    assert f'hx-get="{url.replace("&", "&amp;")}"' in poll
    for part in ("#staff-rows", *parts):
        assert page.count(f'id="{part[1:]}"') == 1
    filtered, polled = (
        staff.get(url, headers={"HX-Request": "true", "HX-Trigger": by})
        for by in ("staff-show", "poll")
    )
    assert filtered["HX-Push-Url"] == url
    assert "HX-Push-Url" not in polled


def test_an_invalid_filter_takes_the_place_of_the_part(staff, acme, winback):
    query = {"since": "2026-03-03", "until": "2026-03-02"}
    part = staff.get(URL, query, headers={"HX-Request": "true"})
    page = staff.get(URL, query).content.decode()

    assert (part.status_code, part["HX-Push-Url"]) == (422, "false")
    assert "<html" not in part.content.decode()
    for content in (part.content.decode(), page):
        assert content.count('id="analytics"') == 1
        assert "The end lies before the beginning." in content


def test_a_number_of_another_group_leads_to_the_step_without_people(staff, acme, winback):
    step = make_step(acme, winback, canvas="Foreign", synced=3, errored=2)
    url = reverse("staff_step", args=[step.pk])

    assert f'href="{url}#errored">2</a>' in staff.get(URL).content.decode()
    page = staff.get(url)
    assert page.status_code == 200
    assert 'data-metric="errored">2</dd>' in page.content.decode()
    assert "/people/" not in page.content.decode().split("<main")[1]


def test_the_page_of_a_step_has_only_the_incidents_of_its_places(
    staff, trouble, other_group, theirs
):
    account = theirs.ad_account
    beside = AdAccount.objects.create(connection=account.connection, remote_id="7300", name="x")
    audience = Audience.objects.create(ad_account=beside, remote_id="9300", name="x")
    fine = make_step(other_group, audience, canvas="Elsewhere", synced=1)

    def troubles(step):
        rows = staff.get(reverse("staff_step", args=[step.pk])).context["troubles"]
        return [incident.place for _title, incident in rows]

    assert (troubles(trouble), troubles(fine)) == (["connection"], ["connection"])
    Incident.objects.update(connection=None, ad_account=account)
    assert (troubles(trouble), troubles(fine)) == (["ad_account"], [])


def test_only_staff_read_a_step_of_another_group(signed_in, charlie, alice, acme, winback):
    url = reverse("staff_step", args=[make_step(acme, winback, synced=1).pk])

    assert signed_in(charlie).get(url).status_code == 403
    assert signed_in(alice).get(url).status_code == 403


def test_today_is_a_range(staff, acme, winback):
    make_step(acme, winback, at=NOW, synced=4)
    make_step(acme, winback, canvas="Old", at=NOW - timedelta(days=2), synced=9)

    assert [row["Users synced"] for row in csv_of(staff, range="today", sort="-synced")] == [
        "4",
        "0",
    ]
    assert [row["Users synced"] for row in csv_of(staff, range="7d", sort="-synced")] == ["9", "4"]
    assert staff.get(URL, {"range": "2d"}).status_code == 422


def test_the_queries_do_not_grow_with_groups_in_trouble(
    staff, trouble, winback, theirs, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(40) as caught:
            staff.get(URL)
        return len(caught)

    one = queries()
    for n in range(6):
        group = AppGroup.objects.create(name=f"G{n}", slug=f"g{n}")
        connection = Connection(app_group=group, partner="tiktok", parked_by="token")
        connection.set_token("token-of-no-value")
        connection.save()
        account = AdAccount.objects.create(connection=connection, remote_id=f"73{n}", name="x")
        audience = Audience.objects.create(ad_account=account, remote_id=f"93{n}", name="x")
        step = make_step(group, audience, canvas=f"C{n}", pending=5)
        step.sync.is_live = True
        step.sync.save()
        wait(step, ago=timedelta(minutes=n))
    reconcile.run(now=NOW)

    assert Canvas.objects.count() == 8
    assert queries() == one
