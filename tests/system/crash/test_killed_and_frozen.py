"""Kill each scenario at every point, and freeze it past its lease while others work."""

import pytest

from tests.system.crash.scenarios_branches import SPLITS
from tests.system.crash.scenarios_calls import TRACK
from tests.system.crash.scenarios_connections import CONNECT
from tests.system.crash.scenarios_consent import WITHDRAW
from tests.system.crash.scenarios_erasures import ERASURES
from tests.system.crash.scenarios_imports import AT_WORK, CANCELLED_LATE, IMPORTS
from tests.system.crash.scenarios_live import JOURNEYS
from tests.system.crash.scenarios_places import PLACES
from tests.system.crash.scenarios_queue import (
    ANSWERS,
    MORE_ANSWERS,
    QUEUE,
    UNDER_WAY,
    UNDER_WAY_AND_FAILING,
)
from tests.system.crash.scenarios_retention import PURGE

pytestmark = pytest.mark.slow
ALL = [  # killed and frozen
    *QUEUE,
    *ANSWERS,
    *PLACES,
    CONNECT,
    *IMPORTS,
    *ERASURES,
    WITHDRAW,
    TRACK,
    PURGE,
    *JOURNEYS,
    *SPLITS,
]
# In these scenarios the product uses statements that only PostgreSQL has (COPY, UNNEST, its clock).
# The others are killed on SQLite only: a kill leaves the same rows on either database, and the
# freezes show that PostgreSQL recovers from them.
OWN_STATEMENTS = {"enqueue", "flush", "import", "call with a key", "live segment", "advance"}
ONLY_FROZEN = [UNDER_WAY, UNDER_WAY_AND_FAILING, AT_WORK, CANCELLED_LATE]
FROZEN = [*ALL, *ONLY_FROZEN]
# Scenario -> least number of points, about two thirds of the present number. A run with fewer does
# not do what the scenario is for.
LEAST = {
    "branches of a split": 44,
    "wait until an event": 50,
    "remove a step with people": 114,
    "enqueue": 18,
    "flush": 41,
    "flush in threads": 47,
    "retry errored": 17,
    "removal overtakes an add": 44,
    "add overtakes a removal": 36,
    "poison": 118,
    "partial success": 40,
    "throttle": 66,
    "advance": 22,
    "admit and advance": 51,
    "create audience": 30,
    "disconnect and discard": 16,
    "flush meets a disconnect": 39,
    "flush meets a disconnect and a reconnect": 39,
    "disconnect and wait": 11,
    "reconnect": 18,
    "change of the account": 30,
    "choose after a disconnect": 14,
    "connect again": 32,
    "import": 46,
    "import meets an erased person": 46,
    "import is cancelled": 24,
    "erasure": 65,
    "end of an erasure": 21,
    "erasure while an add is under way": 39,
    "consent withdrawn": 61,
    "call with a key": 14,
    "applied but unheard": 58,
    "too many": 93,
    "token refused once": 62,
    "removal while an add is under way": 39,
    "removal while an add fails": 59,
    "import while another is at work": 44,
    "import is cancelled late": 24,
    "purge": 69,
    "live segment": 84,
    "entry and exit by events": 26,
    "run of a schedule": 39,
}


def _name(scenario):
    return scenario.name.replace(" ", "-")


def _killed(scenario):
    """Return the parameter of a scenario that is killed: once, or if needed on each database."""
    marks = () if scenario.name in OWN_STATEMENTS else (pytest.mark.once,)
    return pytest.param(scenario, id=_name(scenario), marks=marks)


def _check(scenario, result, record_property):
    """Assert that there are no violations, enough points, and few missed ones.

    Because threads run in another order each time, a run may miss the point at which it was to be
    struck.
    """
    record_property("points", result.n_points)
    record_property("struck", result.n_struck)
    record_property("missed", result.n_missed)
    assert result.violations == []
    # With threads, a number is another point in each run, so that the states of an epoch differ.
    assert scenario.in_threads or result.mixed_epochs() == []
    assert scenario.in_threads or not result.states or result.n_compared > result.n_struck // 2
    assert result.n_points >= LEAST[scenario.name]
    assert not result.has_missed_many


@pytest.mark.parametrize("scenario", [_killed(scenario) for scenario in [*ALL, *MORE_ANSWERS]])
def test_killed_at_every_point(shards, scenario, record_property):
    _check(scenario, shards(scenario).kill(), record_property)


@pytest.mark.parametrize("scenario", FROZEN, ids=_name)
def test_frozen_at_every_point(shards, scenario, record_property):
    _check(scenario, shards(scenario).freeze(), record_property)


def test_there_are_at_least_200_points_each_with_a_scenario_of_its_own():
    names = [scenario.name for scenario in [*ALL, *MORE_ANSWERS, *ONLY_FROZEN]]
    assert sorted(names) == sorted(LEAST)
    assert sum(LEAST.values()) >= 200
