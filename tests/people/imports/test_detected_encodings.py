"""Detect the encoding and the delimiter of a file, also for legacy encodings."""

import pytest

from audiencesync.people.imports import detection
from audiencesync.people.models import Profile
from tests.people.imports.test_reader import Bytes

pytestmark = pytest.mark.thorough

HEADER = {"encoding": "utf-8", "delimiter": "comma", "header": "1"}
GERMAN = "id;name;ort\n1;Jürgen Groß;Köln\n2;Bärbel;München\n3;Jörg – „der Große“;Würzburg\n"
RUSSIAN = (
    "id;name;city\n"
    + "1;Иван Петров;Москва\n2;Анна Смирнова;Санкт-Петербург\n3;Пётр Иванов;Казань\n" * 5
)
GREEK = (
    "id;name;city\n"
    + "1;Γιώργος Παπαδόπουλος;Αθήνα\n2;Μαρία Νικολάου;Θεσσαλονίκη\n3;Ελένη;Πάτρα\n" * 5
)


@pytest.mark.parametrize(
    ("text", "encoding"), [(GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (GREEK, "cp1253")]
)
def test_a_legacy_encoding_is_detected_with_delimiter_and_header(text, encoding):
    layout = detection.layout(Bytes(text.encode(encoding)), is_utf8=False)
    assert (layout.encoding, layout.delimiter, layout.has_header) == (encoding, "semicolon", True)


SAMPLES = {
    "iso-8859-2": "1;Łukasz Wiśniewski;Łódź\n2;Żaneta Dąbrowska;Gdańsk\n",
    "cp1250": "1;Kőszegi Győző;Fűzfő\n2;Tamás;Budapest\n",
    "koi8-r": "1;Иван Петров;Москва\n2;Анна Смирнова;Санкт-Петербург\n",
    "cp932": "1;山田太郎;とうきょう\n2;佐藤花子;おおさか\n3;スズキ;ナゴヤ\n",
    "gbk": "1;张伟;北京\n2;王芳;上海\n3;李娜;广州\n",
    "cp949": "1;김철수;서울\n2;이영희;부산\n",
    "cp850": "1;Jürgen Groß;Köln\n",
    "mac-roman": "1;Jürgen Groß;Köln\n",
}


@pytest.mark.parametrize("encoding", SAMPLES)
def test_a_detected_encoding_is_imported(import_pages, encoding):
    data = ("external_id;name;city\n" + SAMPLES[encoding]).encode(encoding)
    page = import_pages.client.get(import_pages.upload_url(data))
    assert page.context["layout"]["encoding"] == encoding
    assert page.context["is_sure"]
    import_pages.run_to_end(data)
    first = SAMPLES[encoding].split("\n")[0].split(";")
    assert Profile.objects.get(external_id="1").attributes == {"name": first[1], "city": first[2]}


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("1;İbrahim Yýlmaz;Muðla\n", "cp1254"),
        ("1;張偉;臺北\n", "big5"),
        ("1;мир;м\n", "koi8-r"),
        ("1;÷ ± ×\n", "latin-1"),
    ],
)
def test_a_guessed_encoding_is_shown_as_a_guess(import_pages, text, encoding):
    data = ("external_id;name;city\n" + text).encode(encoding, "replace")
    assert (
        "save the file as UTF-8"
        in import_pages.client.get(import_pages.upload_url(data)).content.decode()
    )


def test_one_broken_byte_does_not_change_the_encoding_of_a_utf_8_file(import_pages):
    # The first 128 KB are plain ASCII.
    rows = "".join(f"c-{n},Bonn,{'x' * 60}\n" for n in range(2000)).encode()
    data = (
        b"external_id,city,note\n" + rows + "u-1,München,\nu-2,".encode() + b"K\xf6ln,\nu-3,Ulm,\n"
    )
    page = import_pages.client.get(import_pages.upload_url(data))
    assert page.context["layout"]["encoding"] == "utf-8"
    row = import_pages.run_to_end(data)
    assert (row.n_created, row.n_rejected) == (2002, 1)
    assert Profile.objects.get(external_id="u-1").attributes == {"city": "München"}
    assert "not of the chosen encoding" in import_pages.rejects(row)[1]


def test_one_umlaut_late_in_the_file_decides_the_encoding():
    # The first 128 KB are plain ASCII; the whole file was scanned when it was stored.
    raw = b"id;name\n" + b"1;Meier\n" * 20_000 + "2;Müller\n".encode("cp1252")
    assert detection.layout(Bytes(raw), is_utf8=False).encoding == "cp1252"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_quoted_delimiter_of_another_kind_is_ignored(delimiter):
    raw = (
        delimiter.join(["id", "a", "b"])
        + "\n"
        + delimiter.join(["1", '"x,y;z|w\tv"', "1,5"])
        + "\n"
    )
    layout = detection.layout(Bytes(raw.encode()), is_utf8=True)
    assert detection.DELIMITERS[layout.delimiter] == delimiter


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_sep_line_of_excel_sets_the_delimiter_and_is_no_row(import_pages, encoding):
    row = import_pages.run_to_end(
        "sep=;\r\nexternal_id;city\r\nc-1;a,b,c\r\n;x,y,z\r\n".encode(encoding)
    )
    assert (row.n_created, row.n_rejected) == (1, 1)
    assert Profile.objects.get().attributes == {"city": "a,b,c"}
    assert import_pages.rejects(row)[1].startswith('"4"')


def test_an_unreadable_first_row_is_no_header(import_pages):
    url = import_pages.upload_url('external_id,"city\nc-1,A\nc-2,B\n')
    assert "No row can be read like this" in import_pages.client.get(url, HEADER).content.decode()
    assert import_pages.client.post(url, HEADER | {"start": "1"}).status_code in {200, 422}
    assert Profile.objects.count() == 0


def test_the_preview_skips_an_unreadable_row(import_pages):
    url = import_pages.upload_url(
        'external_id,city\nc-1,"open\n' + "".join(f"c-{n},B\n" for n in range(2, 9))
    )
    rows = import_pages.client.get(url, HEADER).context["preview"].rows
    assert [cells[0] for cells in rows] == ["c-2", "c-3", "c-4", "c-5", "c-6"]


@pytest.mark.parametrize(
    ("bad", "shown", "why"),
    [
        (b"K\xf6ln", "c-2 | K\\udcf6ln", "not of the chosen encoding"),
        (b"K\0ln", "c-2 | K\\x00ln", "NUL"),
    ],
)
def test_a_check_shows_a_row_whose_bytes_cannot_be_read(import_pages, bad, shown, why):
    url = import_pages.upload_url(
        "external_id,city\nc-1,München\nc-2,".encode() + bad + b"\nc-3,Ulm\n"
    )
    page = import_pages.post(url, "check")
    assert (page.status_code, page.context["checked"].n_rejected) == (200, 1)
    assert (shown in page.content.decode(), why in page.content.decode()) == (True, True)
