"""A canvas that cannot continue, for example with an unknown kind of step, stops no other."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.models import Step, Visit

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
PEOPLE = 3


@pytest.fixture
def two_steps(canvas_world):
    """Two live canvases with one step each."""
    canvas_world.create_people(PEOPLE)
    canvases = [canvas_world.create_canvas(DELAY) for _ in range(2)]
    for canvas, _steps in canvases:
        assert canvas_world.launch(canvas)
    return [steps[0] for _canvas, steps in canvases]


def test_other_canvases_admit_people(canvas_world, two_steps, caplog):
    broken, intact = two_steps
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    canvas_world.run()
    assert not Visit.objects.filter(canvas=broken.canvas).exists()
    assert canvas_world.step_counts(intact) == (PEOPLE, 0, 0, PEOPLE)
    assert "A crowd could not be moved" in caplog.text


def test_people_of_other_canvases_proceed(canvas_world, two_steps):
    broken, intact = two_steps
    canvas_world.run()
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    canvas_world.run(timezone.now() + timedelta(hours=1))
    assert canvas_world.step_counts(broken) == (PEOPLE, 0, 0, PEOPLE)
    assert canvas_world.step_counts(intact) == (PEOPLE, 0, PEOPLE, 0)
