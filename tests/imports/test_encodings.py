"""What the beginning of a file is taken for, in the old encodings of several languages."""

import pytest

from audiencesync.people.imports import detecting
from tests.imports.test_reader import Bytes

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
