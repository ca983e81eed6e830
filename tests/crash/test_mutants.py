"""The harness kills every seeded bug, so that its silence about the real code means something."""

import pytest

from tests.crash import mutants, mutants_people, mutants_places

pytestmark = pytest.mark.slow
MUTANTS = mutants.MUTANTS
assert mutants_people.seeded is mutants_places.seeded is mutants.seeded  # their bugs are in the list, too


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_harness_sees(lanes, mutant):
    result = lanes(mutant.scenario, mutant.patch).first_violation(mutant.mode)
    assert result.violations


def test_there_are_enough():
    assert len(MUTANTS) >= 12
