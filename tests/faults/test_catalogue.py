"""The catalogue of faults in docs/reliability.md is complete, and the tests it names are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
TEXT = (ROOT / "docs" / "reliability.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)))


def test_every_fault_has_a_row():
    rows = re.findall(r"^\| (F\d\d) \|", TEXT, re.MULTILINE)
    assert [f"F{number:02}" for number in range(1, 49) if f"F{number:02}" not in rows] == []


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_what_it_names_is_there(file, name):
    assert f"def {name}(" in (ROOT / file).read_text()
