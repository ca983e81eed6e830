"""The documentation names what is there: every setting, every command of the Makefile, every file it links to."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = (ROOT / "docs" / "settings.md").read_text()


def table_names():
    """The variables in the first column of the tables."""
    cells = [line.split("|")[1] for line in SETTINGS.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([A-Z_]+)`", cell)}


def test_every_setting_is_in_the_table_and_nothing_else():
    source = (ROOT / "audiencesync" / "settings.py").read_text()
    assert table_names() == set(re.findall(r"\benv\.\w+\(\s*\"([A-Z_]+)\"", source))


def test_the_variables_of_the_procfile_are_told():
    used = set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "Procfile").read_text()))
    assert used <= set(re.findall(r"`([A-Z_]+)`", SETTINGS))


@pytest.mark.parametrize(
    "page", ["README.md", "docs/settings.md", "docs/operations.md", "docs/runbooks.md", "CHANGELOG.md"]
)
def test_links_lead_to_files_that_are_there(page):
    file = ROOT / page
    targets = [t for t in re.findall(r"\]\(([^)]+)\)", file.read_text()) if not t.startswith("http")]
    assert [target for target in targets if not (file.parent / target).exists()] == []


def test_every_make_target_of_the_readme_is_there():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make ([a-z-]+)", (ROOT / "README.md").read_text())) <= targets
