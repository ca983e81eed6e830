"""Rules of the code that no linter checks: sizes, inline scripts, escaping, translations, skips."""

import ast
import re
import subprocess
from collections import Counter
from pathlib import Path

import polib
import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
INLINE = re.compile(
    r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=\"|javascript:", re.IGNORECASE
)
REASON = r"(?!.*(\{#|# ))"  # a comment later in the line
UNESCAPED = re.compile(rf"(mark_safe\(|SafeString\(|\|\s*safe\b|autoescape off){REASON}")
MARKS = re.compile(r"# noqa\b(?!: [A-Z0-9, ]+ ( #|-) \S)|# type: ignore(?!\[[\w, -]+\]  # \S)")
UNCOLLECTED = re.compile(
    r"\{(_|n?p?gettext(_lazy)?)\(f?['\"]|gettext(_lazy)? as (?!_\b)"
)  # xgettext does not see these
# Words of a private language: the subject of a sentence is a thing of the field.
RIDDLES = re.compile(
    r"\b(whoever|somebody|nobody|told|anew|farewell|turned out to be)\b", re.IGNORECASE
)
# Words that a page says in another way: no one, anyone, correct, anyway, discard, problem.
UNPLAIN = re.compile(
    r"\b(whoever|somebody|nobody|mend|nevertheless|throw away|troubles?)\b", re.IGNORECASE
)
SKIPS = re.compile(r"pytest\.(mark\.)?(skip|skipif|xfail|importorskip)\b")


def files(*patterns):
    """Return our own files, tracked or new, without migrations and vendored files."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [
        name
        for name in listed.stdout.splitlines()
        if "/migrations/" not in name and "/vendor/" not in name
    ]
    return [ROOT / name for name in names if (ROOT / name).is_file()]


PYTHON = files("*.py")
TEMPLATES = files("*.html")


def lines_with(pattern, paths):
    """Return file:line of each match."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    ]


def functions(path):
    tree = ast.parse(path.read_text())
    return [
        node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_no_function_is_longer_than_47_lines():
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
        for path in PYTHON
        for node in functions(path)
        if node.end_lineno - node.lineno + 1 > 47
    ]
    assert long == []


@pytest.mark.parametrize(
    ("most", "paths"),
    [
        (285, [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]),
        (470, PYTHON),
        (120, TEMPLATES),
    ],
    ids=["tests", "modules", "templates"],
)
def test_no_file_is_too_long(most, paths):
    assert paths
    assert [
        str(path.relative_to(ROOT)) for path in paths if len(path.read_text().splitlines()) > most
    ] == []


def docstrings(path):
    tree = ast.parse(path.read_text())
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]


def test_docstrings_are_plain_english():
    assert [
        f"{path.relative_to(ROOT)}: {text}"
        for path in PYTHON
        for text in docstrings(path)
        if RIDDLES.search(text)
    ] == []


def test_texts_on_pages_are_plain():
    catalogue = polib.pofile(str(ROOT / "locale/de/LC_MESSAGES/django.po"))
    assert [entry.msgid for entry in catalogue if UNPLAIN.search(entry.msgid)] == []


def test_the_act_that_retries_people_has_one_name():
    catalogue = polib.pofile(str(ROOT / "locale/de/LC_MESSAGES/django.po"))
    other = re.compile(
        r"^Try again$|(with|press) Try again|(people|person|one) (is|are) tried again\.$", re.I
    )
    assert [entry.msgid for entry in catalogue if other.search(entry.msgid)] == []


def test_at_most_17_modules_stand_at_one_level():
    folders = Counter(
        path.parent for path in PYTHON if path.name != "__init__.py" and "tests" not in path.parts
    )
    assert {
        str(folder.relative_to(ROOT)): n
        for folder, n in folders.items()
        if n > 17 and folder.name != "migrations"
    } == {}


def test_no_template_has_lines_over_120_columns():
    assert lines_with(re.compile(r"^.{121}"), TEMPLATES) == []


def test_every_module_has_a_docstring():
    silent = [
        path
        for path in PYTHON
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_templates_contain_no_inline_script_or_style():
    assert lines_with(INLINE, TEMPLATES) == []


def test_nothing_is_shown_unescaped():
    assert (
        lines_with(UNESCAPED, [*TEMPLATES, *(path for path in PYTHON if path != Path(__file__))])
        == []
    )


def test_every_silenced_warning_has_a_reason():
    assert lines_with(MARKS, [path for path in PYTHON if path != Path(__file__)]) == []


def test_every_text_can_be_collected_for_translation():
    assert lines_with(UNCOLLECTED, [path for path in PYTHON if path != Path(__file__)]) == []


def test_no_test_is_skipped():
    assert lines_with(SKIPS, [path for path in PYTHON if path != Path(__file__)]) == []


@pytest.mark.parametrize(
    ("pattern", "bad", "good"),
    [
        (INLINE, "<script>alert(1)</script>", '<script src="x.js" defer></script>'),
        (INLINE, '<p style="color:red">', '<p class="style">'),
        (INLINE, '<a onclick="x()">', '<a class="icon">'),
        (UNESCAPED, "{{ name|safe }}", "{{ name }}"),
        (UNESCAPED, "mark_safe(text)", "mark_safe(text)  # made of numbers only"),
        (MARKS, "x = 1  # noqa", "x = 1  # noqa: S310 - our own address"),
        (MARKS, "x = 1  # noqa: S310", "x = 1  # noqa: S310  # our own address"),
        (MARKS, "x = 1  # type: ignore", "x = 1  # type: ignore[assignment]  # because"),
        (UNCOLLECTED, """f"{_('Stopped.')} {more}\"""", 'f"{stopped} {more}"'),
        (UNCOLLECTED, "import gettext as _now", "import gettext_lazy as _"),
        (SKIPS, "@pytest.mark.skip", "@pytest.mark.slow"),
        (UNPLAIN, "Nobody is in trouble.", "No one has a problem."),
        (RIDDLES, "Whoever was told waits.", "Informed admins wait."),
    ],
)
def test_the_patterns_detect_violations(pattern, bad, good):
    assert pattern.search(bad)
    assert not pattern.search(good)
