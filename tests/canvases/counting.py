"""Change the counts of a sync like the queue, and compare numbers with their lists of people."""

from django.utils import timezone

from audiencesync.core import lists
from canvases.models import BranchTally
from canvases.people_lists import canvas_numbers, numbers, requests, step_visits
from partners.queue import tally


def count(sync, *, at=None, **moves):
    with tally.atomic(now=at or timezone.now()) as changes:
        changes.add(sync.pk, **moves)


def every_number(canvas):
    """Yield every number of a canvas and its steps."""
    for step in canvas.steps.all():
        branches = BranchTally.objects.filter(step=step).values_list("branch", flat=True)
        names = [f"{step_visits.BRANCH}{branch}" for branch in branches]
        # The number of people of a request is left out: it would need the key of a request.
        for name in [*sorted(numbers.OF_STEPS - {requests.NAME}), *names]:
            yield numbers.of_step(step, name)
    for name in ["entered", "inside", "through", "left", *canvas_numbers.REASONS]:
        yield numbers.of_canvas(canvas, name)


def wrong_lists(canvas):
    """Return the numbers of a canvas that differ from the length of their list."""
    canvas.refresh_from_db()
    found = []
    for one in every_number(canvas):
        n = sum(len(rows) for rows in lists.in_chunks(one.parts, 1000))
        if n + one.gone != one.n:
            found.append(f"{one.name}: {one.n}, listed {n}, gone {one.gone}")
    return found
