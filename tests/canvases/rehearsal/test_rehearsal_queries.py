"""A rehearsal of 200 steps needs hardly more queries than one of 20."""

import pytest

from canvases.models import Step
from canvases.steps.decision_split import NO

pytestmark = pytest.mark.thorough

DAY = {"amount": 1, "unit": "days"}


def known(n):
    return {"filter": {"field": f"custom.x{n}", "op": "exists"}}


def recent(n):
    return {"filter": {"event": f"e{n}", "op": "at_least", "n": 1, "days": 30}}


class Line:
    """A canvas whose steps follow one another."""

    def __init__(self, canvas_world):
        self.canvas_world, self.last = canvas_world, None
        self.canvas, _none = canvas_world.create_canvas()

    def add(self, kind, settings=None):
        self.last = Step.objects.create(
            canvas=self.canvas, kind=kind, settings=settings or {}, parent=self.last
        )

    def sync(self, action):
        place = {"parent": self.last, "branch": NO}
        send = Step.objects.create(canvas=self.canvas, kind="audience_sync", **place)
        self.canvas_world.add_sync(send, action)


def splits_and_syncs(line, n):
    for i in range(n // 2):
        line.add("decision_split", known(i))
        line.sync(("add", "remove")[i % 2])


def delays_and_splits(line, n):
    for i in range(n // 2):
        line.add("delay", DAY)
        line.add("decision_split", known(i))


def timed_splits_after_a_delay(line, n):
    line.add("delay", DAY)
    for i in range(n - 1):
        line.add("decision_split", recent(i))


@pytest.mark.parametrize("fill", [splits_and_syncs, delays_and_splits, timed_splits_after_a_delay])
def test_200_steps_need_hardly_more_queries_than_20(
    canvas_world, rehearse, django_assert_max_num_queries, fill
):
    [person] = canvas_world.create_people(1)

    def queries(n):
        line = Line(canvas_world)
        fill(line, n)
        with django_assert_max_num_queries(60) as caught:
            page = rehearse(line.canvas, person)
        assert len(page.path) == n == line.canvas.steps.count()
        return len(caught)

    queries(20)  # the first page logs the view
    # One query evaluates up to a hundred conditions.
    assert queries(200) <= queries(20) + 3
