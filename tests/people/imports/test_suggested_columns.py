"""Suggest a target for each column of a foreign file, and give the reason."""

import pytest

from audiencesync.people.imports import column_guess
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from audiencesync.people.writing import in_clear

pytestmark = pytest.mark.thorough


def suggest(group, headers, *rows, delimiter="comma"):
    return column_guess.columns(headers, rows, delimiter=delimiter, app_group=group)


def targets(found):
    return [guess.column.target for guess in found]


@pytest.mark.parametrize("code", ["01067", "007", "+5"])
def test_a_leading_zero_late_in_the_file_is_kept_as_text(import_pages, code):
    rows = "".join(f"c-{n},{50000 + n}\n" for n in range(120))
    row = import_pages.run_to_end(f"external_id,plz\n{rows}late,{code}\n")
    assert (row.n_created, row.n_rejected, row.problem_counts) == (121, 0, {})
    assert Profile.objects.get(external_id="late").attributes == {"plz": code}
    assert Profile.objects.get(external_id="c-1").attributes == {"plz": "50001"}


def test_a_leading_zero_beyond_the_sampled_rows_is_left_out(import_pages, monkeypatch):
    monkeypatch.setattr("audiencesync.people.imports.lifecycle.SAMPLE", 2)
    row = import_pages.run_to_end("external_id,plz\nc-1,50000\nc-2,50001\nc-3,01067\n")
    assert (row.n_created, row.problem_counts) == (3, {"left_out": {"plz": 1}})
    assert Profile.objects.get(external_id="c-3").attributes == {}


@pytest.mark.parametrize("is_hash_only", [True, False])
@pytest.mark.parametrize(
    "header", ["email", "Email", "E-Mail 2", "E-Mail privat", "handy", "Mobile Phone"]
)
def test_a_second_address_column_is_left_out_with_a_message(
    import_pages, acme, is_hash_only, header
):
    acme.hash_only = is_hash_only
    acme.save()
    second = "0151 12345679" if "phone" in in_clear.kind_of(header) else "secret@example.org"
    data = f"external_id,email,phone,{header}\nc-1,a@example.org,0151 12345678,{second}\n"
    page = import_pages.client.get(import_pages.upload_url(data)).content.decode()
    assert "another column holds this field already" in page
    import_pages.run_to_end(data)
    assert Profile.objects.get().attributes == {}


def test_a_column_that_only_mentions_mail_is_kept(acme):
    columns = suggest(
        acme,
        ["id", "email", "Email opt-in", "mail count"],
        ["1", "a@example.org", "yes", "3"],
        ["2", "b@example.org", "no", "4"],
    )
    assert targets(columns) == ["external_id", "email", "truth", "number"]


def test_no_column_of_addresses_becomes_an_attribute_in_a_hash_only_group(import_pages, acme):
    acme.hash_only = True
    acme.save()
    data = "external_id,email,contact\nc-1,a@example.org,boss@example.org\n"
    assert targets(suggest(acme, ["id", "contact"], ["1", "boss@example.org"])) == [
        "external_id",
        "",
    ]
    answer = import_pages.post(import_pages.upload_url(data), target_2="text", name_2="E-Mail 2")
    assert set(answer.context["form"].errors) == {"target_2"}


@pytest.mark.parametrize(
    ("header", "values", "target"),
    [
        ("country", ["Germany", "Deutschland", "USA", "United Kingdom", "fr"], "country"),
        ("country", ["Bavaria", "Saxony"], "text"),
        ("language", ["German", "Englisch", "pt-BR"], "language"),
        ("language", ["Python", "Rust"], "text"),
        ("consent", ["opted-in", "granted", "nein"], "ads_consent"),
        ("consent", ["version 3", "version 4"], "text"),
    ],
)
def test_a_field_is_suggested_only_if_its_values_fit(acme, header, values, target):
    (found,) = suggest(acme, [header], *([value] for value in values))
    assert found.column.target == target
    assert bool(found.reason()) == (target == "text")


def test_names_of_countries_and_languages_become_codes(import_pages):
    row = import_pages.run_to_end(
        "external_id,country,language,consent\n"
        "c-1,Vereinigtes Königreich,Deutsch,opted-in\nc-2,X-Land,,\n"
    )
    assert (row.n_created, row.problem_counts) == (2, {"left_out": {"country": 1}})
    profile = Profile.objects.get(external_id="c-1")
    assert (profile.country, profile.language, profile.ads_consent) == ("GB", "de", True)


@pytest.mark.parametrize(
    ("delimiter", "cells", "values"),
    [
        ("semicolon", ["1.234,56", "12,5", "1.000", "-3"], [1234.56, 12.5, 1000, -3]),
        ("comma", ["1.234,56", "0,99"], [1234.56, 0.99]),
        ("comma", ["1,234.56", "0.99"], [1234.56, 0.99]),
        ("tab", ["1 234,56", "7"], [1234.56, 7]),
        ("semicolon", ["€ 12,50", "3,00 €"], [12.5, 3.0]),
        ("comma", ["23.11.2026", "1.2.2026"], ["2026-11-23", "2026-02-01"]),
        ("comma", ["0.30000000000000004", "52.52000659999"], [0.30000000000000004, 52.52000659999]),
    ],
)
def test_number_and_date_formats_are_detected_per_column(import_pages, delimiter, cells, values):
    mark = {"comma": ",", "semicolon": ";", "tab": "\t"}[delimiter]
    rows = "".join(f'c-{n}{mark}"{cell}"\n' for n, cell in enumerate(cells))
    import_pages.run_to_end(
        f"external_id{mark}x\n{rows}", delimiter=delimiter, encoding="utf-8", header="1"
    )
    assert [profile.attributes["x"] for profile in Profile.objects.order_by("pk")] == values


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["1", "2", "01067"], "“01067” would change"),
        (["1", "2", "A7"], "“A7” is no number"),
        (["2026-11-23", "unbekannt"], "“unbekannt” is no date"),
        (["yes", "no", "perhaps"], "“perhaps” is neither yes nor no"),
        (["€ 5", "$ 5"], ""),
        (["gold", "silver"], ""),
    ],
)
def test_the_reason_for_text_is_given(acme, values, reason):
    (found,) = suggest(acme, ["x"], *([value] for value in values))
    assert found.column.target == "text"
    assert reason in found.reason()


@pytest.mark.parametrize(
    "header", ["utm:source", "plan__tier", "_private", "$my_attribute", "a/b", "x" * 100]
)
def test_a_header_is_kept_as_the_attribute_name(import_pages, header):
    import_pages.run_to_end(f"external_id,{header},plan_tier\nc-1,a,b\n")
    assert Profile.objects.get().attributes == {header: "a", "plan_tier": "b"}


def test_gender_is_stored_as_the_api_stores_it(import_pages):
    import_pages.run_to_end("external_id,gender\nc-1,männlich\nc-2,Frau\nc-3,unknown\n")
    assert [profile.attributes["gender"] for profile in Profile.objects.order_by("pk")] == [
        "M",
        "F",
        "unknown",
    ]


def test_a_known_header_decides_between_delimiters(import_pages):
    data = "E-Mail;Umsatz, netto;Umsatz, brutto\n" + "".join(
        f"p{n}@example.org;1,5;2,5\n" for n in range(3)
    )
    page = import_pages.client.get(import_pages.upload_url(data))
    assert page.context["layout"]["delimiter"] == "semicolon"


@pytest.mark.parametrize(
    "data",
    [
        'external_id, email, city\n"a1", "a1@example.org", "Köln, Rhein"\n',
        "external_id,email,city\n'a1','a1@example.org','Köln, Rhein'\n",
        "“external_id”;“email”;“city”\n“a1”;“a1@example.org”;“Köln, Rhein”\n",
    ],
)
def test_quotation_marks_around_cells_are_removed(import_pages, data):
    import_pages.run_to_end(data)
    profile = Profile.objects.get()
    assert (profile.external_id, profile.invalid_kinds, profile.attributes) == (
        "a1",
        0,
        {"city": "Köln, Rhein"},
    )


def test_a_short_row_is_imported_and_extra_empty_cells_are_ignored(import_pages):
    row = import_pages.run_to_end(
        "external_id,email,note\n"
        "rs2,rs2@example.org\nrl1,rl1@example.org,hello,,\nx,y@example.org,z,more\n"
    )
    assert (row.n_created, row.n_rejected) == (2, 1)


@pytest.mark.parametrize(
    ("header", "why"), [("", "cannot have this name"), ("plan", "another column has the same name")]
)
def test_a_column_of_an_export_that_cannot_be_kept_says_why(acme, header, why):
    ours = [csv_export.ID_COLUMN, *csv_export.COLUMNS, csv_export.CREATED_COLUMN]
    headers = [*ours, "plan", header]
    found = suggest(acme, headers, ["x"] * len(headers))
    assert found[-1].column.target == ""
    assert why in found[-1].reason()


@pytest.mark.parametrize(
    ("header", "cell", "target"),
    [
        ("mail count", "3", "kept"),
        ("Email opt-in", "true", "kept"),
        ("second mail", "a@example.org", ""),
        ("callers", "0151 12345678", ""),
    ],
)
def test_a_hash_only_group_keeps_the_columns_of_its_export_that_hold_no_address(
    acme, header, cell, target
):
    acme.hash_only = True
    headers = [csv_export.ID_COLUMN, *csv_export.COLUMNS, csv_export.CREATED_COLUMN, header]
    found = suggest(acme, headers, [*headers[:-1], cell])
    assert found[-1].column.target == target
