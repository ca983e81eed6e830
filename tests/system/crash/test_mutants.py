"""The harness sees every seeded bug, so that its silence about the real code is evidence."""

from pathlib import Path

import pytest

from tests.system.crash import (
    mutants,
    mutants_branches,
    mutants_live,
    mutants_people,
    mutants_places,
)
from tests.system.crash.harness import ERROR

pytestmark = pytest.mark.slow
DOC = (Path(__file__).resolve().parents[3] / "docs" / "reliability.md").read_text()
ONLY_TROUBLE = (
    "the lane ",
    ": hangs",
    "another worker waits",
    "two workers wait",
    "the recovery did not end",
)
MUTANTS = mutants.MUTANTS
# Their bugs are in the list, too.
assert mutants_people.seeded is mutants_places.seeded is mutants.seeded
assert mutants_live.seeded is mutants_branches.seeded is mutants.seeded


def _is_seen(mutant):
    """Return whether a violation shows the bug.

    An error counts only if the bug must end in it; a mere standstill does not count.
    """

    def counts(text):
        _where, _error, said = text.partition(ERROR)
        if said:
            return any(name in said for name in mutant.dies_of)
        return not any(words in text for words in ONLY_TROUBLE)

    return counts


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_harness_sees(lanes, mutant):
    is_seen = _is_seen(mutant)
    result = lanes(mutant.scenario, mutant.patch).first_violation(mutant.mode, counts=is_seen)
    assert any(map(is_seen, result.violations)), f"nobody saw the bug itself: {result.violations}"


def test_there_are_enough():
    assert len(MUTANTS) >= 12


def test_the_page_lists_them():
    assert f"Each of these {len(MUTANTS)} bugs" in DOC
    assert [mutant.name for mutant in MUTANTS if f"| {mutant.name} | " not in DOC] == []
