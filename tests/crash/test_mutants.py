"""The harness kills every seeded bug, so that its silence about the real code means something."""

from pathlib import Path

import pytest

from tests.crash import mutants, mutants_people, mutants_places

pytestmark = pytest.mark.slow
DOC = (Path(__file__).resolve().parent.parent.parent / "docs" / "reliability.md").read_text()
OF_ITS_OWN = ("AttributeError", "ImportError", "NameError", "TypeError", "the lane ")
MUTANTS = mutants.MUTANTS
assert mutants_people.seeded is mutants_places.seeded is mutants.seeded  # their bugs are in the list, too


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_harness_sees(lanes, mutant):
    result = lanes(mutant.scenario, mutant.patch).first_violation(mutant.mode)
    assert [text for text in result.violations if not any(word in text for word in OF_ITS_OWN)], (
        f"nobody saw the bug itself: {result.violations}"
    )


def test_there_are_enough():
    assert len(MUTANTS) >= 12


def test_the_page_lists_them():
    assert f"Each of these {len(MUTANTS)} bugs" in DOC
    assert [mutant.name for mutant in MUTANTS if f"| {mutant.name} | " not in DOC] == []
