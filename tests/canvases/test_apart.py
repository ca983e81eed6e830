"""A canvas that cannot go on, such as one with a step of a kind that is not installed any more, stops no other one."""

from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.models import Step, Visit

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
PEOPLE = 3


@pytest.fixture
def two(journeys):
    """Two live canvases with one step each."""
    journeys.people(PEOPLE)
    made = [journeys.canvas(DELAY) for _ in range(2)]
    for canvas, _steps in made:
        assert journeys.launch(canvas)
    return [steps[0] for _canvas, steps in made]


def test_others_are_entered(journeys, two, caplog):
    broken, well = two
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    journeys.run()
    assert not Visit.objects.filter(canvas=broken.canvas).exists()
    assert journeys.numbers(well) == (PEOPLE, 0, 0, PEOPLE)
    assert "A crowd could not be moved" in caplog.text


def test_people_of_others_go_on(journeys, two):
    broken, well = two
    journeys.run()
    Step.objects.filter(pk=broken.pk).update(kind="uninstalled")
    journeys.run(timezone.now() + timedelta(hours=1))
    assert journeys.numbers(broken) == (PEOPLE, 0, 0, PEOPLE)
    assert journeys.numbers(well) == (PEOPLE, 0, PEOPLE, 0)
