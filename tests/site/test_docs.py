"""The docs name every setting, and only files, tests and make targets that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
RELIABILITY = (ROOT / "docs" / "reliability.md").read_text()


def table_names():
    """Return the variables in the first column of the tables."""
    cells = [line.split("|")[1] for line in SETTINGS.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}


def test_the_settings_table_is_complete():
    source = (ROOT / "audiencesync" / "settings.py").read_text()
    assert table_names() == set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", source))


def test_the_variables_of_the_procfile_are_documented():
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "Procfile").read_text()))
    assert used <= set(re.findall(r"`([A-Z_]+)`", SETTINGS))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_linked_files_exist(page):
    targets = [
        t for t in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()) if not t.startswith("http")
    ]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_tests_exist(page):
    named = set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()))
    assert [
        f"{file}::{test}" for file, test in sorted(named) if not has_test(ROOT / file, test)
    ] == []


def has_test(file, name):
    # A method of a class counts, too.
    return file.exists() and (
        not name or re.search(rf"^ *def {name}\(", file.read_text(), re.MULTILINE)
    )


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_named_make_targets_exist(page):
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", (ROOT / page).read_text())) <= targets


def faults():
    """Return id and text of each fault of the catalogue."""
    return re.findall(r"^### (F\d\d): (.*?)(?=^##|\Z)", RELIABILITY, re.MULTILINE | re.DOTALL)


def test_every_fault_of_the_catalogue_has_one_section():
    assert [number for number, _text in faults()] == [f"F{n:02}" for n in range(1, 49)]


def test_every_fault_names_a_test():
    assert [number for number, text in faults() if "`tests/" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_table_cell_is_longer_than_300_characters(page):
    rows = [line for line in page.read_text().splitlines() if line.startswith("|")]
    cells = [cell.strip() for row in rows for cell in re.split(r"(?<!\\)\|", row)]
    assert [cell for cell in cells if len(cell) > 300] == []
