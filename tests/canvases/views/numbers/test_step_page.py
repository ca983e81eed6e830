"""The page of a step: its numbers, its chart that adds up to them, its reasons."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.models import Step, StepTally
from partners.models import Batch, Delivery, Tally
from tests.canvases.counting import count
from tests.support import builder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]

HTMX = {"HX-Request": "true"}


@pytest.fixture
def step(canvas, winback):
    """A step with a former and a current Sync, of a live canvas."""
    canvas.state, canvas.launched_at = "live", timezone.now()
    canvas.save()
    first, second = builder.make_sync(winback), builder.make_sync(winback)
    row = Step.objects.create(canvas=canvas, kind="audience_sync", sync=second)
    row.syncs.set([first, second])
    StepTally.objects.create(step=row, entered=150, exited=150)
    now = timezone.now()
    count(first, at=now - timedelta(days=50), entered=100, synced=60, errored=30, not_synced=10)
    count(second, at=now - timedelta(hours=3), entered=50, pending=20, synced=30)
    count(first, at=now, errored=-4, synced=4)
    return row


def words(answer):
    return " ".join(answer.content.decode().split())


def totals(answer):
    return {curve.name: curve.total for curve in answer.context["card_of_chart"].chart.series}


def test_the_page_shows_the_seven_metrics(bob_editor, step):
    page = words(bob_editor.get("step_numbers", step.pk))

    metrics = dict(re.findall(r'data-metric="(\w+)">(?:<a[^>]*>)?([\d,]+)<', page))
    assert metrics == {
        "entered": "150",
        "proceeded": "0",
        "synced": "94",
        "not_synced": "10",
        "pending": "20",
        "errored": "26",
        "exited": "150",
    }
    assert "Add to “winback”" in page


@pytest.mark.parametrize("query", [{}, {"by": "day"}, {"by": "hour"}, {"view": "table"}])
def test_the_chart_since_the_start_adds_up_to_the_metrics(bob_editor, step, query):
    answer = bob_editor.get("step_numbers", step.pk, range="all", **query)

    assert totals(answer) == {"synced": 94, "not_synced": 10, "errored": 26}


@pytest.mark.parametrize("name", ["24h", "7d", "30d"])
def test_a_range_shows_what_changed_in_it(bob_editor, step, name):
    answer = bob_editor.get("step_numbers", step.pk, range=name)

    assert totals(answer) == {"synced": 34, "not_synced": 0, "errored": -4}
    assert "were retried" in words(answer)


def test_hours_and_days_of_a_week_have_the_same_sums(bob_editor, step):
    by_hour, by_day = (
        bob_editor.get("step_numbers", step.pk, range="7d", by=by) for by in ("hour", "day")
    )

    assert totals(by_hour) == totals(by_day)
    assert len(by_day.context["card_of_chart"].chart.rows) == 7


@pytest.mark.parametrize(
    ("midnight", "hours"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), 23),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), 25),
    ],
)
def test_a_day_on_which_the_clocks_change_is_one_bar(bob_editor, acme, step, midnight, hours):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    for n in range(-1, hours + 1):
        count(step.sync, at=midnight + timedelta(hours=n), entered=1, synced=1)
    with time_machine.travel(midnight + timedelta(hours=hours, minutes=30), tick=False):
        answer = bob_editor.get("step_numbers", step.pk, range="7d", by="day")

    synced = [values[0] for _when, values in answer.context["card_of_chart"].chart.rows]
    assert synced[:3] == [1, hours, 1]


def test_htmx_gets_only_the_card_of_the_chart(bob_editor, step):
    page = words(bob_editor.get("step_numbers", step.pk, htmx=True, range="24h"))

    assert page.startswith('<section class="card" id="by-time"')
    assert 'href="?range=7d"' in page
    assert "data-metric" not in page


@pytest.mark.parametrize("query", [{"range": "x"}, {"by": "year"}, {"view": "<b>"}])
def test_odd_choices_are_read_as_the_first(bob_editor, step, query):
    answer = bob_editor.get("step_numbers", step.pk, **query)

    assert answer.status_code == 200
    assert answer.context["card_of_chart"].span.name == "7d"


def test_a_chart_has_a_sentence_and_a_table(bob_editor, step):
    chart = words(bob_editor.get("step_numbers", step.pk, range="all"))
    table = words(bob_editor.get("step_numbers", step.pk, range="all", view="table"))

    assert re.search(r'role="img" aria-label="[^"]*Synced 94, Not synced 10, Errored 26', chart)
    assert '<th class="num">94</th>' in table
    assert 'role="img"' not in table


def test_a_step_that_does_not_send_has_the_metrics_of_its_passage(bob_editor, canvas):
    step = Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 1, "unit": "days"})
    page = words(bob_editor.get("step_numbers", step.pk))

    assert re.findall(r'data-metric="(\w+)"', page) == ["entered", "proceeded", "exited"]


def test_the_queries_of_the_page_do_not_grow_with_its_numbers(bob_editor, step, canvas):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert bob_editor.get("step_numbers", step.pk, range="all").status_code == 200
        return len(found)

    queries()
    before = queries()
    for n in range(40):
        count(step.sync, at=timezone.now() - timedelta(hours=n), entered=1, synced=1)
    Step.objects.create(canvas=canvas, kind="exit", parent=step)
    assert queries() == before


def errored(step, code, people):
    """One errored delivery of each person."""
    now = timezone.now()
    place = {"sync": step.sync, "audience": step.sync.audience, "action": "add", "kinds": ["email"]}
    batch = Batch.objects.create(
        **place,
        ad_account=step.sync.audience.ad_account,
        seq=Batch.objects.count(),
        n=len(people),
        state="errored",
        last_code=code,
        created_at=now,
        due_at=now,
        settled_at=now,
    )
    Delivery.objects.bulk_create(
        Delivery(sync=step.sync, profile=person, entry_key=person.pk, batch=batch)
        for person in people
    )
    count(step.sync, entered=len(people), errored=len(people))


def test_the_people_of_one_reason_are_tried_again(bob_editor, step, people):
    Tally.objects.update(entered=0, synced=0, not_synced=0, pending=0, errored=0)
    errored(step, "51010", people[:3])
    errored(step, "40002", people[3:5])
    page = words(bob_editor.get("step_numbers", step.pk))
    assert re.search(r"Retry these 3 ?<", page)
    assert re.search(r"Retry these 2 ?<", page)

    answer = bob_editor.post(
        "step_people_retry", step.pk, number="errored", reason="51010", back="numbers"
    )

    assert answer["Location"] == bob_editor.url("step_numbers", step.pk)
    tally = Tally.objects.get(pk=step.sync_id)
    assert (tally.pending, tally.errored) == (3, 2)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("50000", "Last answer: Problem at TikTok (code 50000). When that is over, retry."),
        ("no_answer", "TikTok gave no clear answer. When it works again, retry."),
    ],
)
def test_people_who_were_given_up_are_not_said_to_be_tried(bob_editor, step, people, code, advice):
    errored(step, code, people[:3])

    page = words(bob_editor.get("step_numbers", step.pk)).split("Errored")[-1]

    assert "Not accepted by TikTok within 13 hours" in page
    assert advice in page
    assert "You need not do anything" not in page


def test_a_viewer_sees_no_button_to_retry(editor_of, vera, step, people):
    errored(step, "51010", people[:3])

    assert "Retry these" not in words(editor_of(vera).get("step_numbers", step.pk))


def test_the_tab_of_numbers_leads_to_the_page(bob_editor, step):
    assert bob_editor.url("step_numbers", step.pk) in words(
        bob_editor.get(step=step.pk, tab="numbers")
    )
