"""After people were sent to the sandbox, every page agrees with the rows, and charts add up."""

import csv
import io
import re
from collections import Counter

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine, laws
from canvases.models import Canvas, Step, Visit
from partners.models import Delivery

pytestmark = pytest.mark.thorough
METRIC = re.compile(r'data-(?:metric|number)="([\w-]+)">\s*(?:<a[^>]*>)?\s*([\d,]+)')


@pytest.fixture
def step(world, acme, bob):
    """A step with synced people, two who were not synced, and three whom the partner refused."""
    segment = Segment.objects.create(app_group=acme, name="All", filter={})
    canvas = Canvas.objects.create(app_group=acme, name="Journey", segment=segment, created_by=bob)
    sync = world.create_sync(is_live=False)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    world.create_people(9)
    world.create_people(2, email_sha256=None)
    world.set_fault("partial", rows=[0, 1, 2], named=True, count=1)
    engine.launch(canvas, by=bob, now=timezone.now())
    while engine.move_all(now=timezone.now()):
        pass
    world.drain()
    return step


@pytest.fixture
def rows(step):
    """Return the numbers, counted from the rows instead of read from counters."""
    assert laws.broken(now=timezone.now()) == []
    deliveries = Delivery.objects.filter(sync__steps=step)
    outcomes = Counter(delivery.status.value for delivery in deliveries.select_related("batch"))
    counts = {name: outcomes[name] for name in ("synced", "not_synced", "pending", "errored")}
    n = Visit.objects.filter(canvas=step.canvas_id).count()
    return counts | {"entered": n, "proceeded": 0, "exited": n}


@pytest.fixture
def read(signed_in, bob):
    """read(name of the URL, *args, **query) -> the answer and its numbers by name."""
    client = signed_in(bob)

    def get(name, *args, **query):
        answer = client.get(reverse(name, args=["acme", *args]), query)
        if answer.streaming:
            return answer, list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
        text = answer.content.decode()
        return answer, {key: int(n.replace(",", "")) for key, n in METRIC.findall(text)}

    return get


def totals(chart):
    return {curve.name: curve.total for curve in chart.series}


def test_the_world_has_every_outcome(rows):
    assert (rows["synced"], rows["not_synced"], rows["errored"], rows["entered"]) == (6, 2, 3, 11)


def test_the_page_of_the_step(read, step, rows):
    answer, numbers = read("step_numbers", step.canvas_id, step.pk, range="all")

    assert {name: numbers[name] for name in rows} == rows
    chart = totals(answer.context["card_of_chart"].chart)
    assert chart == {name: rows[name] for name in ("synced", "not_synced", "errored")}


def test_the_numbers_of_the_canvas(read, step, rows):
    answer, numbers = read("canvas_numbers", step.canvas_id, range="all")

    assert (numbers["entered"], numbers["inside"], numbers["through"]) == (11, 0, rows["exited"])
    assert totals(answer.context["card_of_chart"].chart) == {"entered": rows["entered"]}
    assert [line.card.numbers.errored for line in answer.context["funnel"]] == [rows["errored"]]


def test_the_overview(read, step, rows):
    context = read("overview")[0].context

    chart = totals(context["synced"].chart)
    assert chart == {name: rows[name] for name in ("synced", "not_synced", "errored")}
    assert context["synced"].total == rows["synced"]
    [line] = context["canvases"]
    assert (sum(line.entries), line.canvas.entered) == (rows["entered"], rows["entered"])
    assert (line.pending, line.errored, line.waiting) == (0, rows["errored"], 0)


def test_analytics_and_their_file(read, step, rows):
    _answer, numbers = read("analytics")
    [line] = read("analytics", format="csv")[1]

    assert {name: numbers[name] for name in rows} == rows
    assert [int(line[head]) for head in ("Entered", "Users synced", "Users errored")] == [
        rows[name] for name in ("entered", "synced", "errored")
    ]


def test_the_page_of_the_audience(read, world, step, rows):
    context = read("audience", step.sync.audience_id)[0].context

    assert context["members"] == rows["synced"] == world.members(step.sync.audience)
    assert [curve.total for curve in context["changes"].series] == [rows["synced"], 0]
