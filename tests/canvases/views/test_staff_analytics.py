"""The staff table: all groups, sorted, filtered, by day, and the same numbers as CSV."""

import csv
import io
import re
from datetime import UTC, datetime

import pytest
from django.utils import timezone

from canvases.models import Canvas, Step, StepTally
from canvases.staff_table import lines, order
from canvases.staff_table.query import TableQuery
from partners.incidents import reconcile
from partners.models import Audience, Batch, Connection, Sync
from tests.canvases.counting import count

pytestmark = pytest.mark.django_db
URL = "/analytics/"
MONDAY = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
TUESDAY = datetime(2026, 3, 3, 0, 30, tzinfo=UTC)


@pytest.fixture
def staff(signed_in, alice):
    alice.is_staff = True
    alice.save()
    return signed_in(alice)


def make_step(group, audience, *, canvas="Cart", state="live", at=MONDAY, exited=0, **counts):
    row = Canvas.objects.create(app_group=group, name=canvas, state=state)
    sync = Sync.objects.create(
        app_group=group, audience=audience, action="add", kinds=["email"], label="x", url="/"
    )
    step = Step.objects.create(canvas=row, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    entered = sum(counts.values())
    StepTally.objects.create(step=step, entered=entered, proceeded=entered - exited, exited=exited)
    count(sync, at=at, entered=entered, **counts)
    return step


def csv_of(client, **query):
    body = client.get(URL, query | {"format": "csv"}).getvalue().decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(body)))


def test_only_staff_may_read_the_table(signed_in, alice, bob):
    assert signed_in(alice).get(URL).status_code == 403
    assert signed_in(bob).get(f"{URL}?format=csv").status_code == 403


def test_screen_and_csv_hold_the_same_numbers(staff, acme, winback):
    make_step(acme, winback, synced=10_000, not_synced=2_000, pending=300, errored=40)

    page = re.sub("</?a[^>]*>", "", staff.get(URL).content.decode())
    row = csv_of(staff)[0]

    cells = [part.split("<")[0] for part in page.split('data-metric="')[1:]]
    screen = dict(cell.split('">') for cell in cells)
    heads = [
        "Entered",
        "Proceeded to next step",
        "Users synced",
        "Users not synced",
        "Users pending",
        "Users errored",
    ]
    assert [screen[name].replace(",", "") for name in screen] == [
        row[head] for head in [*heads, "Exited canvas"]
    ]
    assert (row["Entered"], row["Error rate in %"], row["Connection"]) == (
        "12340",
        "0.32",
        "Connected",
    )


def test_the_table_lists_all_groups_and_is_filtered(staff, acme, other_group, winback):
    make_step(acme, winback, canvas="Mine", synced=1)
    make_step(other_group, winback, canvas="Theirs", state="stopped", synced=1)

    assert {row["Canvas"] for row in csv_of(staff)} == {"Mine", "Theirs"}
    assert {row["Canvas"] for row in csv_of(staff, group="umbrella")} == {"Theirs"}
    assert {row["Canvas"] for row in csv_of(staff, state="live")} == {"Mine"}
    assert {row["Canvas"] for row in csv_of(staff, q="thei")} == {"Theirs"}
    assert {row["Canvas"] for row in csv_of(staff, q="winback")} == {"Mine", "Theirs"}


@pytest.mark.parametrize(
    ("sort", "order"),
    [
        ("canvas", "abc"),
        ("-canvas", "cba"),
        ("-errored", "bca"),
        ("error_rate", "acb"),
        ("-entered", "cba"),
    ],
)
def test_the_table_is_sorted(staff, acme, winback, sort, order):
    make_step(acme, winback, canvas="a", synced=10)
    make_step(acme, winback, canvas="b", synced=10, errored=5)
    make_step(acme, winback, canvas="c", synced=100, errored=1)

    assert "".join(row["Canvas"] for row in csv_of(staff, sort=sort)) == order


def test_days_show_only_their_own_counts(staff, acme, winback):
    step = make_step(acme, winback, at=MONDAY, synced=10, pending=5)
    count(step.sync, at=TUESDAY, synced=5, pending=-5)

    monday, tuesday = (
        csv_of(staff, since=day, until=day)[0] for day in ("2026-03-02", "2026-03-03")
    )

    assert (monday["Entered"], monday["Users synced"], monday["Users pending"]) == ("15", "10", "5")
    assert (tuesday["Entered"], tuesday["Users synced"], tuesday["Users pending"]) == (
        "0",
        "5",
        "-5",
    )
    assert (monday["Proceeded to next step"], monday["Exited canvas"]) == ("15", "0")
    assert csv_of(staff, until="2026-03-02")[0] == monday
    assert csv_of(staff, since="2026-03-03")[0] == tuesday


def test_a_negative_rate_is_a_number_in_the_file(staff, acme, winback):
    step = make_step(acme, winback, at=MONDAY, errored=5)
    count(step.sync, at=TUESDAY, entered=10, synced=15, errored=-5)  # tried again

    row = csv_of(staff, since="2026-03-03", until="2026-03-03")[0]

    assert (row["Users errored"], row["Error rate in %"]) == ("-5", "-50.00")


def test_equal_lines_keep_their_places(acme, winback):
    steps = [make_step(acme, winback, canvas=name, synced=1).pk for name in "ab"]
    page = lines.read(TableQuery(), now=timezone.now())
    page.lines.reverse()  # a database may

    for sort in ("-errored", "errored", "oldest_pending"):
        assert [line.step for line in order.sort_lines(page, sort)] == steps


def test_a_step_without_a_sync_has_no_numbers_by_day(staff, acme):
    row = Canvas.objects.create(app_group=acme, name="Cart")
    step = Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    StepTally.objects.create(step=step, entered=7, waiting=7)

    assert csv_of(staff)[0]["Entered"] == "7"
    assert csv_of(staff, since="2026-03-02")[0]["Entered"] == ""
    assert "–" in staff.get(URL, {"since": "2026-03-02"}).content.decode()


def test_a_removed_step_keeps_its_numbers_if_it_has_any(staff, acme, winback):
    make_step(acme, winback, canvas="With", synced=3)
    without = Canvas.objects.create(app_group=acme, name="Without")
    Step.objects.create(canvas=without, kind="delay", settings={"amount": 1, "unit": "days"})
    Step.objects.update(removed_at=MONDAY)

    assert [(row["Canvas"], row["Users synced"]) for row in csv_of(staff)] == [("With", "3")]


def test_oldest_pending_and_connection_are_shown(staff, acme, winback):
    step = make_step(acme, winback, pending=1)
    Connection.objects.update(parked_by="token", parked_until=timezone.now())
    reconcile.run(now=timezone.now())
    common = {
        "ad_account_id": winback.ad_account_id,
        "audience": winback,
        "due_at": TUESDAY,
        "action": "add",
    }
    for seq, at in enumerate([TUESDAY, MONDAY]):
        Batch.objects.create(sync=step.sync, seq=seq, n=1, created_at=at, **common)

    row = csv_of(staff)[0]

    assert row["Oldest pending (UTC)"] == "2026-03-02T23:30:00+00:00"
    assert row["Connection"] == "Reconnect"


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx"])
def test_csv_cells_cannot_be_formulas(staff, acme, winback, name):
    make_step(acme, winback, canvas=name, synced=1)

    assert csv_of(staff)[0]["Canvas"] == "'" + name


@pytest.mark.parametrize(
    "query",
    [
        {"sort": "x"},
        {"group": "x"},
        {"state": "x"},
        {"since": "x"},
        {"q": "\0"},
        {"since": "2026-03-03", "until": "2026-03-02"},
        {"since": "0000-00-00"},
    ],
)
def test_an_invalid_filter_is_rejected(staff, query):
    assert staff.get(URL, query).status_code == 422
    assert staff.get(URL, query | {"format": "csv"}).status_code == 422


@pytest.mark.parametrize(
    "days", [{"until": "9999-12-31"}, {"since": "0001-01-01"}, {"page": "9" * 30}, {"page": "x"}]
)
def test_extreme_dates_and_pages_are_accepted(staff, acme, winback, days):
    make_step(acme, winback, synced=1)

    assert staff.get(URL, days).status_code == 200


def test_the_staff_table_has_a_constant_number_of_queries(
    staff, acme, eu, winback, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(30) as caught:
            staff.get(URL)
        return len(caught)

    make_step(acme, winback, synced=1)
    one = queries()
    for n in range(20):
        audience = Audience.objects.create(ad_account=eu, remote_id=str(n), name=str(n))
        make_step(acme, audience, canvas=str(n), synced=1)

    assert queries() == one
