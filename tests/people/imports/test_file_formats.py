"""Accept or refuse files by their format; a bad row costs only that row."""

import csv
import gzip
import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from audiencesync.people.imports import forms, uploads
from audiencesync.people.models import Profile
from audiencesync.people.models.imports import Import, UploadPart

pytestmark = pytest.mark.thorough

ROWS = "external_id,email,city\nc-1,jürgen@example.org,Köln\nc-2,zoë@example.org,Nîmes\n"
LATIN = ROWS.replace("zoë", "zoe").replace("jürgen", "juergen")


def zipped(data):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("people.csv", data)
    return file.getvalue()


def cities(import_pages):
    return list(
        Profile.objects.order_by("external_id").values_list("external_id", "attributes__city")
    )


@pytest.mark.parametrize(
    ("data", "encoding", "delimiter"),
    [
        (ROWS.encode(), "utf-8", "comma"),
        (ROWS.encode("utf-8-sig"), "utf-8", "comma"),
        (ROWS.encode("utf-16"), "utf-16-le", "comma"),
        (ROWS.encode("utf-16-be"), "utf-16-be", "comma"),
        (b"\xfe\xff" + ROWS.encode("utf-16-be"), "utf-16-be", "comma"),
        (LATIN.encode("cp1252"), "cp1252", "comma"),
        (
            ("external_id,email,city\n" + "c-1,,Köln Łódź\nc-2,,Nîmes\n").encode("utf-8"),
            "utf-8",
            "comma",
        ),
        (ROWS.replace(",", ";").encode(), "utf-8", "semicolon"),
        (ROWS.replace(",", "\t").encode("utf-16"), "utf-16-le", "tab"),
        (ROWS.replace(",", "|").encode(), "utf-8", "bar"),
        (ROWS.replace("\n", "\r").encode(), "utf-8", "comma"),
        (ROWS.replace("\n", "\r\n", 1).replace("\nc-2", "\rc-2").encode(), "utf-8", "comma"),
        (
            ROWS.replace("Köln", '"Köln, Rhein"')
            .replace(",", ";")
            .replace("Köln;", "Köln,")
            .encode(),
            "utf-8",
            "semicolon",
        ),
    ],
)
def test_encoding_and_delimiter_are_detected_and_the_file_is_imported(
    import_pages, data, encoding, delimiter
):
    url = import_pages.upload_url(data)
    layout = import_pages.client.get(url).context["layout"]
    assert layout == {"encoding": encoding, "delimiter": delimiter, "header": "1"}
    row = import_pages.run_to_end(data)
    assert (row.state, row.n_rows, row.n_created, row.n_rejected) == ("done", 2, 2, 0)
    first, second = cities(import_pages)
    assert first[1].startswith("Köln")
    assert second == ("c-2", "Nîmes")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (zipped(ROWS), "archive"),
        (ROWS.encode("utf-32"), "UTF-32"),
        (gzip.compress(ROWS.encode()), "archive"),
        (gzip.compress(b"0" * 20_000_000), "archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 an old Excel file", "archive"),
    ],
    # Archives contain the time, so their bytes cannot be ids.
    ids=["empty", "zip", "UTF-32", "gzip", "zip bomb", "old Excel"],
)
def test_an_unusable_file_is_refused(import_pages, data, says):
    answer = import_pages.upload(data)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert Import.objects.count() == UploadPart.objects.count() == 0


def test_a_file_above_the_size_limit_is_refused(import_pages, monkeypatch):
    for module in (uploads, forms):
        monkeypatch.setattr(module, "MOST_BYTES", 100)
    answer = import_pages.upload(b"external_id\n" + b"c\n" * 100)
    assert answer.status_code == 422
    assert "too big" in answer.content.decode()
    assert UploadPart.objects.count() == 0


def test_only_the_first_of_several_files_is_imported(import_pages):
    files = [SimpleUploadedFile(f"{name}.csv", ROWS.replace("c-", name).encode()) for name in "ab"]
    answer = import_pages.client.post(
        "/g/acme/people/imports/new/", {"file": files, "other": files[1]}
    )
    assert answer.status_code == 302
    assert [row.file_name for row in Import.objects.all()] == ["a.csv"]


def test_a_form_without_a_file_is_refused(import_pages):
    answer = import_pages.client.post("/g/acme/people/imports/new/", {})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "data", ["\n\n\n", "   \n", '"', '"open\n', "\0\0\0", "external_id\n", "a"]
)
def test_an_almost_empty_file_shows_a_page(import_pages, data):
    # Blank lines, a lone quote, only a header: the page says so, and a start ends.
    url = import_pages.upload_url(data)
    assert import_pages.client.get(url).status_code == 200
    assert import_pages.post(url).status_code in {200, 302, 422}


def test_a_header_without_rows_is_done_at_once(import_pages):
    row = import_pages.run_to_end("external_id,email\r\n")
    assert (row.state, row.n_rows) == ("done", 0)
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/").content.decode()
    assert "The file holds no row below the names of its columns" in page


def test_a_file_without_a_header_is_imported(import_pages):
    data = "c-1,anna@example.org\nc-2,bert@example.org\n"
    url = import_pages.upload_url(data)
    assert import_pages.client.get(url).context["layout"]["header"] == "0"
    row = import_pages.run_to_end(data, target_0="external_id", target_1="email")
    assert (row.n_created, row.n_rejected) == (2, 0)


def test_the_layout_can_be_chosen_by_hand(import_pages):
    data = "external_id;note\nc-1;a,b\n"
    url = import_pages.upload_url(data)
    page = import_pages.client.get(url, {"encoding": "cp1252", "delimiter": "comma", "header": "1"})
    assert page.context["preview"].headers == ["external_id;note"]
    row = import_pages.run_to_end(data, encoding="utf-8", delimiter="semicolon", header="1")
    assert row.n_created == 1


@pytest.mark.parametrize(
    "choice", [{"encoding": "rot13"}, {"encoding": "idna", "delimiter": "x", "header": "7"}]
)
def test_an_unknown_layout_is_refused(import_pages, choice):
    url = import_pages.upload_url(ROWS)
    assert import_pages.client.get(url, choice).status_code == 422
    assert import_pages.client.post(url, choice | {"start": "1"}).status_code == 422


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd.csv",
        "a\u202egnp.csv",
        "x" * 400 + ".csv",
        "<script>alert(1)</script>.csv",
        "\n=1.csv",
    ],
)
def test_a_file_name_is_only_displayed(import_pages, name):
    url = import_pages.upload_url(ROWS, name)
    row = Import.objects.get()
    assert "/" not in row.file_name
    page = import_pages.client.get(url).content.decode()
    assert "<script>alert" not in page
    assert str(row.upload) not in row.file_name


def test_a_bad_row_is_rejected_alone(import_pages):
    data = (
        b"external_id,email,country\n"
        b"ok-1,a@example.org,DE\n"
        b"short,c@example.org\n"
        b"ragged,b@example.org,DE,more\n"
        b'quote,"b@example.org,DE\n'
        b"nul,\0b@example.org,DE\n"
        b"bytes,\xff\xfe@example.org,DE\n"
        b"land,d@example.org,Atlantis\n"
        b",b@example.org,DE\n"
        b"long,b@example.org," + b"x" * 1_100_000 + b"\n"
        b"," * 2 + b"\n"
        b"ok-2,,\n"
    )  # fmt: skip
    row = import_pages.run_to_end(data, encoding="utf-8", delimiter="comma", header="1")
    assert (row.n_rows, row.n_created, row.n_updated, row.n_rejected) == (10, 4, 0, 6)
    lines = import_pages.rejects(row)
    assert [line.split(",")[0] for line in lines[1:]] == [f'"{n}"' for n in (4, 5, 6, 7, 8, 9, 10)]
    assert '"country: This needs a country' in lines[5]


def test_lines_of_a_long_free_text_create_no_profile(import_pages):
    # The text is longer than a cell may be and contains a line that looks like a row.
    body = io.StringIO()
    text = "x" * 1_100_000 + "\nvictim,attacker@example.org,hi\n"
    rows = [
        ["external_id", "email", "note"],
        ["c1", "c1@example.org", text],
        ["c2", "c2@example.org", ""],
    ]
    csv.writer(body).writerows(rows)
    row = import_pages.run_to_end(body.getvalue())
    assert (row.n_rows, row.n_created, row.n_rejected) == (2, 1, 1)
    assert [profile.external_id for profile in Profile.objects.all()] == ["c2"]


def test_more_blank_lines_than_one_read_do_not_end_the_import(import_pages):
    row = import_pages.run_to_end("external_id\nc-1\n" + "\n" * 5_000_000 + "c-2\n")
    assert (row.state, row.n_rows, row.n_created) == ("done", 2, 2)
