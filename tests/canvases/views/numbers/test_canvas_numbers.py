"""The numbers page of a canvas: entries by time, their outcomes, how many reach each step; CSV."""

import csv
import io
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from canvases import engine
from canvases.models import Canvas, LeftBy

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]

DELAY = ("delay", {"amount": 10, "unit": "minutes"})


@pytest.fixture
def canvas(canvas_world):
    """A canvas with 7 people, who are at its second step."""
    canvas, _steps = canvas_world.create_canvas(DELAY, DELAY)
    # An hour ago, because the present hour, the last of the chart, may end during the test.
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False):
        canvas_world.create_people(7)
        canvas_world.launch(canvas)
        now = timezone.now()
        canvas_world.run(now)
        canvas_world.run(now + timedelta(minutes=11))
    return canvas


@pytest.fixture
def look(signed_in, vera, canvas):
    client = signed_in(vera)
    url = reverse("canvas_numbers", args=["acme", canvas.pk])
    return lambda **query: client.get(url, query)


def read_csv(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text)))


def test_entries_are_inside_or_through_or_left_early(look, canvas):
    visits = canvas.visits.order_by("pk")
    first_visit = visits.filter(pk=visits[0].pk)
    engine.rows.count_departures(visits[0].step_id, 1, to="withdrawn", now=timezone.now())
    engine.rows.count_exits(canvas, LeftBy.EVENT, 1)
    first_visit.update(left_at=timezone.now(), left_by="event", step=None)

    ends = look().context["ends"]

    assert (ends.entered, ends.inside, ends.through, ends.n_early) == (7, 6, 0, 1)
    assert "An exit event happened" in look().content.decode()


def test_the_chart_since_the_start_adds_up_to_the_entries(look):
    [series] = look(range="all").context["card_of_chart"].chart.series

    assert series.total == Canvas.objects.get().entered == 7


def test_the_funnel_has_a_line_for_each_component(look):
    lines = look().context["funnel"]

    assert [(line.card.numbers.entered, line.share) for line in lines] == [(7, 100.0), (7, 100.0)]


def test_the_components_can_be_downloaded(look):
    rows = read_csv(look(format="csv"))

    assert rows[0][:3] == ["Component", "Branch", "Entered"]
    assert [row[2] for row in rows[1:]] == ["7", "7"]


def test_the_entries_by_time_can_be_downloaded(look):
    rows = read_csv(look(format="csv", rows="time", range="24h"))

    assert rows[0] == ["From", "Entered"]
    assert len(rows) == 25
    assert sum(int(row[1]) for row in rows[1:]) == 7


def test_the_queries_of_the_page_do_not_grow_with_components(look, canvas_world, canvas):
    def queries():
        with CaptureQueriesContext(connection) as found:
            assert look().status_code == 200
        return len(found)

    queries()
    before = queries()
    last = canvas.steps.latest("pk")
    for _n in range(3):
        last = canvas.steps.create(kind="delay", settings=DELAY[1], parent=last)
    assert queries() == before


def test_htmx_gets_only_the_card_of_the_chart(signed_in, vera, canvas):
    url = reverse("canvas_numbers", args=["acme", canvas.pk])
    page = signed_in(vera).get(url, headers={"HX-Request": "true"}).content.decode()

    assert 'id="by-time"' in page
    assert 'id="funnel-title"' not in page


def test_the_chart_of_a_delay_adds_up_to_its_metrics(signed_in, vera, canvas):
    step = canvas.steps.get(parent=None)
    url = reverse("step_numbers", args=["acme", canvas.pk, step.pk])

    context = signed_in(vera).get(url, {"range": "all"}).context

    sums = {curve.name: curve.total for curve in context["card_of_chart"].chart.series}
    assert sums == {"proceeded": 7, "exited": 0, "withdrawn": 0}
    metrics = {metric["name"]: metric["n"] for metric in context["metrics"]}
    assert metrics == {"entered": 7, "proceeded": 7, "exited": 0}


def test_the_hours_of_a_step_add_up_to_its_tally(canvas):
    for step in canvas.steps.all():
        sums = step.hours.aggregate(**{name: Sum(name) for name in engine.rows.HOUR_COLUMNS})
        assert sums == {name: getattr(step.tally, name) for name in engine.rows.HOUR_COLUMNS}
