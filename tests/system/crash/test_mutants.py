"""The harness finds every seeded bug, so it would find such bugs in the real code as well."""

from pathlib import Path

import pytest

from tests.system.crash import (
    mutants,
    mutants_branches,
    mutants_live,
    mutants_people,
    mutants_places,
)
from tests.system.crash.harness import ERROR_MARK

pytestmark = pytest.mark.slow
DOC = (Path(__file__).resolve().parents[3] / "docs" / "reliability.md").read_text()
NO_EVIDENCE = (
    "the shard ",
    ": hangs",
    "another worker waits",
    "two workers wait",
    "the recovery did not end",
)
MUTANTS = mutants.MUTANTS
# These modules add their bugs to the same list.
assert mutants_people.seeded is mutants_places.seeded is mutants.seeded
assert mutants_live.seeded is mutants_branches.seeded is mutants.seeded


def _shows(mutant):
    """Return a function that tells whether a violation shows the bug.

    An error counts only if the mutant names it in ``dies_of``. A standstill never counts.
    """

    def is_relevant(text):
        _where, _mark, error = text.partition(ERROR_MARK)
        if error:
            return any(name in error for name in mutant.dies_of)
        return not any(words in text for words in NO_EVIDENCE)

    return is_relevant


def _is_outdated(text):
    """Return whether a violation is an error because the patch no longer fits the code."""
    _where, _mark, error = text.partition(ERROR_MARK)
    return any(
        name in error for name in ("AttributeError", "ImportError", "NameError", "TypeError")
    )


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_harness_sees(shards, mutant):
    is_bug = _shows(mutant)
    result = shards(mutant.scenario, mutant.patch).first_violation(mutant.mode, is_relevant=is_bug)
    assert any(map(is_bug, result.violations)), f"the bug was not seen: {result.violations}"
    assert [text for text in result.violations if _is_outdated(text)] == []


def test_there_are_enough():
    assert len(MUTANTS) >= 12


def test_the_page_lists_them():
    assert f"Each of these {len(MUTANTS)} bugs" in DOC
    assert [mutant.name for mutant in MUTANTS if f"| {mutant.name} | " not in DOC] == []
