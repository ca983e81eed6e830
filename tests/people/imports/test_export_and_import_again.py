"""Import our own export unchanged: every attribute name, type and blank."""

import csv
import io
import itertools
import json

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audiencesync.core import csv_files
from audiencesync.groups.models import AppGroup
from audiencesync.people.api import track_objects
from audiencesync.people.changes import Change
from audiencesync.people.imports import column_guess, detection, lifecycle, mapping, uploads
from audiencesync.people.models import Profile
from audiencesync.people.models.imports import Import
from audiencesync.people.views import csv_export
from audiencesync.people.writing import attribute_changes
from audiencesync.people.writing.upsert import upsert
from tests.support.import_pages import run_imports

ORDER = itertools.count()
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TRICKY = st.sampled_from(
    ["", " padded ", "01067", "007", "+5", "-5", "1e5", "1,5", "1.234,56", "yes", "true",
     "FALSE", "null", "123", "'=1", "=1", "“Best of”", '"quoted"', "[1]", "{}",
     "x;=HYPERLINK(1);y", "a\r\n=cmd", "\u200b=1", "＝1", "N/A", "23.11.2026"]
)  # fmt: skip
NUMBER = st.one_of(
    st.sampled_from([0.30000000000000004, 52.52000659999, 1e-07, 9007199254740992, -3, 0, 2.5]),
    st.integers(-(2**53), 2**53),
    st.floats(-1e15, 1e15, allow_subnormal=False).filter(lambda n: n == 0 or abs(n) > 1e-30),
)
SCALAR = st.one_of(TEXT, TRICKY, NUMBER, st.booleans())
VALUE = st.one_of(
    SCALAR,
    st.lists(SCALAR, max_size=3),
    st.dictionaries(TEXT.filter(str.strip), SCALAR, max_size=2),
)
NAME = st.one_of(
    st.sampled_from(
        ["plan__tier", "plan_tier", "utm:source", "utm source", "_private", "$x", "a/b",
         "x" * 200, " blank ", "=sum", "email", "country", "created_at", "more_attributes",
         "rejected_line", "1", "two\nlines", "gender", "dob"]
    ),
    TEXT.filter(str.strip),
)  # fmt: skip
ID = st.sampled_from([" rt2 ", "rt2", "'1", "007", "=1", "1001.0", "ä\\", "a,b", "“x”"])
PEOPLE = st.dictionaries(ID, st.dictionaries(NAME, VALUE, max_size=5), min_size=1, max_size=4)
FIELDS = {
    "email": "A@Example.org",
    "phone": "0151 12345678",
    "country": "DE",
    "language": "de_DE",
    "ads_consent": True,
}


def exported(group):
    return b"".join(csv_files.stream(csv_export.rows(Profile.objects.filter(app_group=group))))


def imported(group, data):
    """Import by the suggested columns."""
    run = Import(app_group=group, file_name="x.csv", size=len(data))
    uploads.save_import(run, io.BytesIO(data))
    layout = detection.layout(uploads.StoredFile(run.upload, run.size), is_utf8=run.is_utf8)
    preview = lifecycle.preview(run, layout)
    guesses = column_guess.columns(
        preview.headers, preview.sample, delimiter=layout.delimiter, app_group=group
    )
    plan = mapping.Plan(layout, tuple(guess.column for guess in guesses))
    Import.objects.filter(pk=run.pk).update(state="running", plan=plan.as_json())
    run_imports()
    run.refresh_from_db()
    return run


def stored(group):
    names = (
        "external_id",
        "email",
        "phone",
        "country",
        "language",
        "ads_consent",
        "email_sha256",
        "phone_sha256",
    )
    rows = Profile.objects.filter(app_group=group).values(*names, "attributes")
    return {row["external_id"]: {name: typed(value) for name, value in row.items()} for row in rows}


def typed(value):
    """Pair each value with its type, so that 1 equals neither True nor 1.0."""
    if isinstance(value, dict):
        return {name: typed(one) for name, one in value.items()}
    if isinstance(value, list):
        return [typed(one) for one in value]
    return bytes(value) if isinstance(value, memoryview) else (type(value).__name__, value)


@pytest.mark.django_db
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(people=PEOPLE)
@example(
    people={
        " rt2 ": {"plan__tier": 1, "plan_tier": "1", "utm:source": "yes", "rejected_line": "1"},
        "rt2": {"_private": True, "x": ""},
    }
)
def test_an_export_is_imported_unchanged_into_its_own_and_another_group(people):
    here, there = (
        AppGroup.objects.create(name="x", slug=f"r-{next(ORDER)}", phone_region="DE") for _ in "ab"
    )
    changes = [
        Change(external_id=key, fields=FIELDS, attributes=known) for key, known in people.items()
    ]
    upsert(here, changes, now=timezone.now())
    before, data = stored(here), exported(here)
    for group in (here, there):
        run = imported(group, data)
        assert (run.state, run.n_rejected, run.problem_counts) == ("done", 0, {})
        after = stored(group)
        assert {key: after[key]["attributes"] for key in after} == {
            key: before[key]["attributes"] for key in before
        }
        assert after == before
    assert exported(here) == data


@pytest.mark.django_db
def test_more_attributes_than_columns_are_imported_again(acme):
    attributes = {f"a {n:03}": [n] for n in range(150)} | {"more_attributes": "mine"}
    upsert(acme, [Change(external_id="c-1", attributes=attributes)], now=timezone.now())
    data = exported(acme)
    Profile.objects.all().delete()
    assert imported(acme, data).n_created == 1
    assert Profile.objects.get().attributes == attributes


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["ä" * 240, "\U0001f600" * 120, '"' * 240])
def test_the_largest_attribute_is_imported_again(acme, text):
    attributes = {f"a {n:03}": n for n in range(csv_export.MOST_NAMES)}
    attributes |= {
        "list": [
            f"{n}{text}" for n in range(attribute_changes.MOST_BYTES // (len(json.dumps(text)) + 6))
        ],
        "more": ["x" * 255] * 300,
    }
    assert len(json.dumps(attributes["list"])) <= attribute_changes.MOST_BYTES
    upsert(acme, [Change(external_id="c-1", attributes=attributes)], now=timezone.now())
    data = exported(acme)
    Profile.objects.all().delete()
    assert (imported(acme, data).n_created, Profile.objects.get().attributes) == (1, attributes)


def at_limits(mark):
    """Return attributes at each limit of the API, with names that begin with ``mark``."""
    deepest = []
    for _level in range(track_objects.DEEPEST):
        deepest = [deepest]
    return {
        f"{mark} deepest": deepest,
        f"{mark} list": [0] * attribute_changes.LONGEST_LIST,
        f"{mark} number": -(2**53),
        f"{mark} object": {"n" * 255: [None, True]},
        mark * 255: "x" * 255,
    }


@pytest.mark.django_db
def test_attributes_at_the_limits_of_the_api_are_imported_again(acme):
    with_column = at_limits("a") | {f"m {n:03}": n for n in range(csv_export.MOST_NAMES)}
    attributes = with_column | at_limits("z")
    assert track_objects.attributes(attributes, acme) == ({}, attributes, [])
    upsert(acme, [Change(external_id="c-1", attributes=attributes)], now=timezone.now())
    data = exported(acme)
    Profile.objects.all().delete()
    assert (imported(acme, data).n_created, Profile.objects.get().attributes) == (1, attributes)


@pytest.mark.django_db
def test_a_shorter_list_replaces_a_longer_one(acme):
    upsert(
        acme, [Change(external_id="c-1", attributes={"l": [1], "o": {"a": 1}})], now=timezone.now()
    )
    data = exported(acme)
    upsert(
        acme,
        [Change(external_id="c-1", attributes={"l": [1, 2], "o": {"a": 1, "b": 2}})],
        now=timezone.now(),
    )
    imported(acme, data)
    assert Profile.objects.get().attributes == {"l": [1], "o": {"a": 1}}


@pytest.mark.django_db
def test_an_export_saved_by_a_german_spreadsheet_keeps_its_numbers(acme):
    upsert(
        acme,
        [Change(external_id="c-1", attributes={"n": 1.5, "b": True, "zip": "01067"})],
        now=timezone.now(),
    )
    text = io.StringIO()
    rows = csv.reader(io.StringIO(exported(acme).decode("utf-8-sig")))
    csv.writer(text, delimiter=";").writerows(
        [{"true": "WAHR"}.get(cell, cell).replace("1.5", "1,5") for cell in row] for row in rows
    )
    imported(acme, text.getvalue().replace("WAHR", "TRUE").encode())
    assert Profile.objects.get().attributes == {"n": 1.5, "b": True, "zip": "01067"}


@pytest.mark.django_db
def test_rejected_rows_of_an_export_can_be_imported_repeatedly(import_pages, acme):
    upsert(
        acme,
        [Change(email="a@example.org", attributes={"x": "'=1", "y": " z "})],
        now=timezone.now(),
    )
    row = import_pages.run_to_end(exported(acme))
    assert row.n_rejected == 1
    first = import_pages.rejects(row)
    again = import_pages.run_to_end("\r\n".join(first))
    second = import_pages.rejects(again)
    assert second[0] == first[0]
    assert second[1].split(",")[1:] == first[1].split(",")[1:]
    repaired = "\r\n".join([second[0], second[1].replace('""', '"c-9"', 1)])
    assert import_pages.run_to_end(repaired).n_created == 1
    assert Profile.objects.get(external_id="c-9").attributes == {"x": "'=1", "y": " z "}


FORMULAS = [
    "c;=1+1",
    "a\r\n=cmd|' /C calc'!A0",
    "a\tb\t@x",
    "a|-1",
    "\n=1",
    "＝1+1",
    "＋1",
    "\u200b=1",
    "\ufeff=1",
    "x;'=1",
]


@pytest.mark.parametrize("cell", FORMULAS)
def test_no_part_of_a_cell_is_a_formula_at_any_delimiter(cell):
    text = csv_files.guard(cell)
    assert csv_files.unguard(text) == cell
    for mark in ";\t|\r\n":
        assert not [
            part
            for part in text.split(mark)
            if part.strip("\u200b\ufeff\r\n")[:1] in tuple("=+-@＝＋")
        ]


@given(st.text(st.sampled_from("'=+-@\t\r\n;| a＝\u200b\"\xa0"), max_size=12))
def test_the_guard_of_any_cell_is_removed_again(cell):
    assert csv_files.unguard(csv_files.guard(cell)) == cell


@pytest.mark.parametrize("before", ['"', " ", "\xa0", "\u3000", '" "', '\u200b"'])
@pytest.mark.parametrize("mark", [";", "\t", "\n", "|"])
def test_quotes_and_blanks_before_a_sign_hide_no_formula(mark, before):
    text = csv_files.guard(f"x{mark}{before}=1+1")
    assert text == f"x{mark}'{before}=1+1"
    assert csv_files.unguard(text) == f"x{mark}{before}=1+1"
