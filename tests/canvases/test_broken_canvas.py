"""A canvas that cannot continue, for example with an unknown kind of step, stops no other."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.models import Step, Visit

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
PEOPLE = 3


@pytest.fixture
def two_steps(journeys):
    """Two live canvases with one step each."""
    journeys.people(PEOPLE)
    made = [journeys.canvas(DELAY) for _ in range(2)]
    for canvas, _steps in made:
        assert journeys.launch(canvas)
    return [steps[0] for _canvas, steps in made]


def test_other_canvases_admit_people(journeys, two_steps, caplog):
    broken, intact = two_steps
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    journeys.run()
    assert not Visit.objects.filter(canvas=broken.canvas).exists()
    assert journeys.numbers(intact) == (PEOPLE, 0, 0, PEOPLE)
    assert "A crowd could not be moved" in caplog.text


def test_people_of_other_canvases_proceed(journeys, two_steps):
    broken, intact = two_steps
    journeys.run()
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    journeys.run(timezone.now() + timedelta(hours=1))
    assert journeys.numbers(broken) == (PEOPLE, 0, 0, PEOPLE)
    assert journeys.numbers(intact) == (PEOPLE, 0, PEOPLE, 0)
