"""Read the likelier of two possible encodings and mark it as a guess; recognise ISO-2022."""

import pytest

from audiencesync.people.imports import charsets, csv_reader, forms
from audiencesync.people.models import Profile


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("ИВАНОВ", "cp1251"),
        ("ПЕТРОВ", "cp1251"),
        ("ИВАНОВ", "koi8-r"),
        ("иванов", "koi8-r"),
        ("Иванов", "cp866"),
        ("Иванов Ltd", "cp1251"),
        ("Иванов №5", "cp1251"),
        ("金철수", "euc_kr"),
        ("김·철수", "euc_kr"),
        ("김철수", "euc_kr"),
        ("東京", "euc_jp"),
        ("山田", "euc_jp"),
        ("スズキ", "euc_jp"),
        ("東京", "cp932"),
        ("王芳", "gbk"),
        ("陈丹", "gbk"),
        ("李明;北京", "gbk"),
        ("張偉", "big5"),
    ],
)
def test_the_likelier_of_two_encodings_is_marked_as_a_guess(text, encoding):
    guess = charsets.detect(text.encode(encoding))
    assert text.encode(encoding).decode(guess.encoding) == text
    assert not guess.is_sure


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("東京都港区六本木", "euc_jp"),
        ("山田太郎 とうきょう", "euc_jp"),
        ("대한민국 서울특별시", "euc_kr"),
        ("北京市朝阳区建国路", "gbk"),
        ("臺北市中正區", "big5"),
        ("Müller", "cp1252"),
        ("Jürgen «Groß»", "cp1252"),
        ("Łódź", "cp1250"),
        ("Ελένη", "cp1253"),
    ],
)
def test_the_only_plausible_encoding_is_certain(text, encoding):
    guess = charsets.detect(text.encode(encoding))
    assert text.encode(encoding).decode(guess.encoding) == text
    assert guess.is_sure


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_kr"])
@pytest.mark.parametrize("rows", [1, 9000])
def test_an_iso_2022_file_is_imported(import_pages, encoding, rows, monkeypatch):
    monkeypatch.setattr("audiencesync.people.imports.uploads.PART", 1000)
    city = {"iso2022_jp": "東京", "iso2022_kr": "서울"}[encoding]
    lines = [f"c-{n};Bonn;x\n" for n in range(rows // 100)] + [f"late;{city};y\n"]
    data = ("external_id;city;z\n" + "".join(lines)).encode(encoding)
    assert b"\x1b" in data
    page = import_pages.client.get(import_pages.upload_url(data))
    assert (page.context["layout"]["encoding"], page.context["is_sure"]) == ("utf-8", True)
    row = import_pages.run_to_end(data)
    assert (row.n_created, row.n_rejected) == (rows // 100 + 1, 0)
    assert Profile.objects.get(external_id="late").attributes["city"] == city


def test_a_row_with_broken_escapes_is_rejected(import_pages):
    data = b"external_id;city\nc-1;Bonn\nc-2;\x1b$B\x7f\x01\x1b(B\nc-3;" + "東京\n".encode(
        "iso2022_jp"
    )
    row = import_pages.run_to_end(data)
    assert (row.n_created, row.n_rejected) == (2, 1)
    assert Profile.objects.get(external_id="c-3").attributes == {"city": "東京"}


def test_an_unknown_escape_makes_the_encoding_a_guess(import_pages):
    page = import_pages.client.get(import_pages.upload_url(b"external_id;city\nc-1;\x1b$)A\x0e;\n"))
    assert not page.context["is_sure"]


def test_every_readable_encoding_is_offered():
    assert {name for name, _label in forms.ENCODINGS} == set(csv_reader.ENCODINGS)


def test_euc_jp_text_keeps_its_length_in_bytes():
    # Otherwise an import that resumes at a byte offset would begin within a row.
    pairs = [bytes([high, low]) for high in range(0xA1, 0xFF) for low in range(0xA1, 0xFF)]
    for pair in [
        *pairs,
        *(b"\x8f" + pair for pair in pairs),
        *(bytes([0x8E, low]) for low in range(0xA1, 0xE0)),
    ]:
        text = pair.decode("euc_jp", "surrogateescape")
        # b"\x8f\xa2\xb7" is a rare tilde.
        assert len(text.encode("euc_jp", "surrogateescape")) == len(pair) or pair == b"\x8f\xa2\xb7"
