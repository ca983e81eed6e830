"""Treat the placeholders of other programs as empty cells; suggest types only when certain."""

import pytest

from audiencesync.people.imports import cells, column_guess
from audiencesync.people.imports.csv_reader import Layout, ParsedRows
from audiencesync.people.imports.mapping import Column, Converter, Plan
from audiencesync.people.parsers import spellings


def read(cell, target, name="x"):
    """Return the value of one cell and the reasons of its rejects."""
    columns = (Column("id", "external_id", "id"), Column("x", target, name))
    plan = Plan(Layout("utf-8", "comma"), columns)
    batch, rejects = Converter(plan, region="DE").read(ParsedRows([2], [["one", cell]]))
    values = batch.fields.get(target)
    return (values or [batch.attributes[0].get(name)])[0], [reject.reason for reject in rejects]


@pytest.mark.parametrize(
    "cell", ["NULL", "n/a", "none", "nan", "nil", "-", "–", "#N/A", "#NV", "\\N"]
)
@pytest.mark.parametrize("target", ["text", "number", "day", "truth", "country", "language"])
def test_a_placeholder_is_an_empty_cell_and_no_reject(cell, target):
    assert read(cell, target) == (None, [])


@pytest.mark.parametrize(
    ("cell", "target", "value"),
    [
        ("NA", "country", "NA"),
        ("NA", "text", "NA"),
        ("0", "number", 0),
        ("0", "truth", False),
        ("?", "text", "?"),
    ],
)
def test_a_meaningful_value_is_kept(cell, target, value):
    assert read(cell, target) == (value, [])


def test_a_placeholder_leaves_consent_unknown():
    assert read("n/a", "ads_consent") == (None, [])


@pytest.mark.parametrize("text", ["nan", "nil", "tbd", "yes", "xyz", "abc-DE"])
def test_unassigned_three_letter_words_are_no_language(text):
    assert spellings.language(text) is None


@pytest.mark.parametrize(
    ("text", "code"), [("fil", "fil"), ("gsw-CH", "gsw-CH"), ("deu", "de"), ("yue", "yue")]
)
def test_assigned_three_letter_language_codes_are_kept(text, code):
    assert spellings.language(text) == code


def suggested(acme, name, values):
    columns = column_guess.columns(
        [name], [[value] for value in values], delimiter="comma", app_group=acme
    )
    return columns[0].column.target


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (["NO", "NO"], "text"),
        (["ON"], "text"),
        (["SI", "si"], "text"),
        (["yes", "no"], "truth"),
        (["true"], "truth"),
        (["5", "NULL", "7"], "number"),
        (["2026-11-23", "#N/A"], "day"),
        (["[1]", *["text"] * 150], "text"),
        (["[1]", "[2]", "text"], ""),
    ],
)
def test_an_attribute_type_is_suggested_only_when_certain(acme, values, target):
    assert suggested(acme, "thing", values) == target


@pytest.mark.parametrize(
    "cell", ["2026-11-23 25:99", "2026-11-23 10:00foo", "2026-11-23T10:60", "23.11.2026 24:30"]
)
def test_an_invalid_time_makes_the_day_invalid(cell):
    assert cells.day(cell) is None


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-23T10:00:00.000Z",
        "2026-11-23 9:05",
        "2026-11-23 10:00:00+01:00",
        "23.11.2026, 10:00 Uhr",
    ],
)
def test_a_valid_time_after_a_day_is_dropped(cell):
    assert cells.day(cell) == "2026-11-23"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, "0301234567")
            for name in ("Rufnummer", "Handynr", "WhatsApp", "Mobilfunknummer", "cell", "SMS")
        ],
        ("Notfallkontakt", "+49 30 1234567"),
        ("whom to call", "0176 12345678"),
        ("contact", "Anna <b@example.org>"),
        ("mails", "c@example.org; d@example.org"),
        ("note", "write to e@example.org"),
    ],
)
def test_no_column_of_addresses_is_suggested_in_a_hash_only_group(acme, name, value):
    acme.hash_only = True
    assert suggested(acme, name, [value]) == ""


@pytest.mark.parametrize(
    ("name", "value"), [("city", "Bonn"), ("since", "2026-11-23"), ("points", "100"), ("SMS", "ja")]
)
def test_other_columns_are_suggested_in_a_hash_only_group(acme, name, value):
    acme.hash_only = True
    assert suggested(acme, name, [value])


@pytest.mark.parametrize(
    ("key", "reason"),
    [(key, "key") for key in ("NULL", "n/a", "000", "-", "unknown")]
    + [(key, "key_shortened") for key in ("1.00001E+12", "4e11", "1,5E+10")],
)
def test_a_placeholder_or_shortened_number_is_no_key(key, reason):
    columns = (Column("id", "external_id", "id"), Column("x", "text", "x"))
    plan = Plan(Layout("utf-8", "comma"), columns)
    _batch, rejects = Converter(plan, region="DE").read(ParsedRows([2], [[key, "gold"]]))
    assert [reject.reason for reject in rejects] == [reason]
