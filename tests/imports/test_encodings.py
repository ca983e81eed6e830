"""What the beginning of a file is taken for, in the old encodings of several languages."""

import pytest

from audiencesync.people.imports import detecting
from audiencesync.people.models import Profile
from tests.imports.test_reader import Bytes

HEADER = {"encoding": "utf-8", "delimiter": "comma", "header": "1"}
GERMAN = "id;name;ort\n1;Jürgen Groß;Köln\n2;Bärbel;München\n3;Jörg – „der Große“;Würzburg\n"
RUSSIAN = "id;name;city\n" + "1;Иван Петров;Москва\n2;Анна Смирнова;Санкт-Петербург\n3;Пётр Иванов;Казань\n" * 5
GREEK = "id;name;city\n" + "1;Γιώργος Παπαδόπουλος;Αθήνα\n2;Μαρία Νικολάου;Θεσσαλονίκη\n3;Ελένη;Πάτρα\n" * 5


@pytest.mark.parametrize(("text", "encoding"), [(GERMAN, "cp1252"), (RUSSIAN, "cp1251"), (GREEK, "cp1253")])
def test_old_encodings(text, encoding):
    found = detecting.layout(Bytes(text.encode(encoding)), is_utf8=False)
    assert (found.encoding, found.delimiter, found.has_header) == (encoding, "semicolon", True)


def test_one_umlaut_late_in_the_file_decides():
    """The first 128 KB are plain ASCII; the whole file was looked at when it was stored."""
    raw = b"id;name\n" + b"1;Meier\n" * 20_000 + "2;Müller\n".encode("cp1252")
    assert detecting.layout(Bytes(raw), is_utf8=False).encoding == "cp1252"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_among_others_in_quotes(delimiter):
    raw = delimiter.join(["id", "a", "b"]) + "\n" + delimiter.join(["1", '"x,y;z|w\tv"', "1,5"]) + "\n"
    found = detecting.layout(Bytes(raw.encode()), is_utf8=True)
    assert detecting.DELIMITERS[found.delimiter] == delimiter


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_line_of_excel_tells_the_delimiter_and_is_no_row(imports, encoding):
    row = imports.run("sep=;\r\nexternal_id;city\r\nc-1;a,b,c\r\n;x,y,z\r\n".encode(encoding))
    assert (row.n_created, row.n_rejected) == (1, 1)
    assert Profile.objects.get().attributes == {"city": "a,b,c"}
    assert imports.rejects(row)[1].startswith('"4"')


def test_a_first_row_that_cannot_be_read_is_no_header(imports):
    url = imports.uploaded('external_id,"city\nc-1,A\nc-2,B\n')
    assert "No row can be read like this" in imports.client.get(url, HEADER).content.decode()
    assert imports.client.post(url, HEADER | {"start": "1"}).status_code in {200, 422}
    assert Profile.objects.count() == 0


def test_the_preview_passes_over_a_row_that_cannot_be_read(imports):
    url = imports.uploaded('external_id,city\nc-1,"open\n' + "".join(f"c-{n},B\n" for n in range(2, 9)))
    shown = imports.client.get(url, HEADER).context["preview"].rows
    assert [cells[0] for cells in shown] == ["c-2", "c-3", "c-4", "c-5", "c-6"]
