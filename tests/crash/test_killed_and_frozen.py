"""Killed at every point, and frozen at every point past its lease while others work: nothing lost, nothing twice."""

import pytest

from tests.crash.scenarios_calls import TRACK
from tests.crash.scenarios_consent import WITHDRAW
from tests.crash.scenarios_erasures import ERASURES
from tests.crash.scenarios_imports import AT_WORK, CANCELLED_LATE, IMPORTS
from tests.crash.scenarios_places import PLACES
from tests.crash.scenarios_queue import ANSWERS, MORE_ANSWERS, QUEUE, UNDER_WAY, UNDER_WAY_AND_FAILING

pytestmark = pytest.mark.slow
ALL = [*QUEUE, *ANSWERS, *PLACES, *IMPORTS, *ERASURES, WITHDRAW, TRACK]
ONLY_FROZEN = [UNDER_WAY, UNDER_WAY_AND_FAILING, AT_WORK, CANCELLED_LATE]
FROZEN = [*ALL, *ONLY_FROZEN]


def _name(scenario):
    return scenario.name.replace(" ", "-")


@pytest.mark.parametrize("scenario", [*ALL, *MORE_ANSWERS], ids=_name)
def test_killed_at_every_point(lanes, scenario, record_property):
    result = lanes(scenario).kill()
    record_property("points", result.points)
    assert result.violations == []
    assert result.points >= 10


@pytest.mark.parametrize("scenario", FROZEN, ids=_name)
def test_frozen_at_every_point(lanes, scenario, record_property):
    result = lanes(scenario).pause()
    record_property("points", result.points)
    assert result.violations == []
    assert result.points >= 10
