"""The reader: whatever the writer of csv wrote comes back, from any place on; what is broken costs one line."""

import csv
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.people.imports import reading
from audiencesync.people.imports.reading import DELIMITERS, ENCODINGS, Layout, Reader

KEPT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
LATIN = st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=12)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELL = st.one_of(
    st.sampled_from(["", '"', "a,b", "x\r\ny", "=1+1", "ä", "'", "\r", "\n", "Ω" * 3]), ANY
)


class Bytes:
    """A file in memory."""

    def __init__(self, data):
        self.data, self.size = data, len(data)

    def read(self, offset, n):
        return self.data[offset : offset + n]


PLAIN = Layout()


def everything(data, layout=PLAIN, *, n_columns, step=3):
    """All rows and rejects, by a new reader for every few rows, as after so many deaths."""
    source, rows, rejects, position, line = Bytes(data), [], [], 0, 0
    while True:
        reader = Reader(source, layout, n_columns=n_columns, position=position, line=line)
        found = reader.take(step)
        if found.is_end and not found:
            return rows, rejects
        assert (reader.position, reader.line) > (position, line)
        position, line = reader.position, reader.line
        rows += found.rows
        rejects += found.rejects


@pytest.fixture(params=[64, reading.BLOCK])
def block(request, monkeypatch):
    """Blocks so small that every row lies across several; and those of earnest."""
    monkeypatch.setattr(reading, "BLOCK", request.param)


@KEPT
@given(st.data())
def test_what_csv_wrote_comes_back(data):
    encoding = data.draw(st.sampled_from(["utf-8", "utf-16-le", "utf-16-be", "cp1252"]))
    name = data.draw(st.sampled_from(list(DELIMITERS)))
    cells = LATIN if encoding == "cp1252" else CELL
    rows = data.draw(st.lists(st.tuples(cells, cells, cells), max_size=8))
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = io.StringIO()
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" and data.draw(st.booleans()) else csv.QUOTE_ALL
    csv.writer(text, delimiter=DELIMITERS[name], lineterminator=end, quoting=quoting).writerows(
        rows
    )
    mark = reading.BOMS.get(encoding, b"") if data.draw(st.booleans()) else b""
    if text.getvalue().startswith("\ufeff") and not mark:
        mark = reading.BOMS.get(encoding, b"")  # what looks like a mark at the beginning is one
    raw = mark + text.getvalue().encode(encoding)
    found, rejects = everything(
        raw, Layout(encoding, name), n_columns=3, step=data.draw(st.integers(1, 4))
    )
    assert rejects == []
    assert found == [list(row) for row in rows if any(row)]


@KEPT
@given(st.binary(max_size=400), st.sampled_from(list(ENCODINGS)), st.sampled_from(list(DELIMITERS)))
def test_no_bytes_stop_it_or_change_with_where_it_resumes(raw, encoding, delimiter):
    layout = Layout(encoding, delimiter)
    assert everything(raw, layout, n_columns=2, step=1) == everything(
        raw, layout, n_columns=2, step=1000
    )


@KEPT
@given(
    st.lists(st.text(st.sampled_from('a",\r\n\t'), max_size=10), max_size=12), st.integers(8, 40)
)
def test_blocks_make_no_difference(parts, size):
    raw = "".join(parts).encode()
    whole = everything(raw, n_columns=2, step=1000)
    before, reading.BLOCK = reading.BLOCK, size
    try:
        assert everything(raw, n_columns=2, step=1000) == whole
    finally:
        reading.BLOCK = before


def test_an_unclosed_quote_swallows_nothing(block):
    raw = b'a,b\n1,"open\n2,two\n"3","three"\n4,fo"ur\n'
    rows, rejects = everything(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "two"], ["3", "three"], ["4", 'fo"ur']]
    assert [(one.line, one.reason) for one in rejects] == [(2, "quotes")]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_every_kind_of_line_end(block, end):
    rows, rejects = everything(end.join(["a,b", "1,2", "", "3,4"]).encode(), n_columns=2, step=1)
    assert (rows, rejects) == ([["a", "b"], ["1", "2"], ["3", "4"]], [])


def test_mixed_line_ends_and_line_numbers(block):
    raw = b'a,b\r\n1,"x\r\ny"\r2,"z"\n3,4,5\n'
    rows, rejects = everything(raw, n_columns=2)
    assert rows == [["a", "b"], ["1", "x\r\ny"], ["2", "z"]]
    assert [(one.line, one.reason, one.cells) for one in rejects] == [
        (5, "columns", ["3", "4", "5"])
    ]


def test_bytes_of_another_encoding_cost_their_row_only(block):
    rows, rejects = everything("a,b\nMüller,1\nMeier,2\n".encode("cp1252"), n_columns=2)
    assert rows == [["a", "b"], ["Meier", "2"]]
    assert [(one.line, one.reason) for one in rejects] == [(2, "encoding")]


def test_nul_costs_its_row_only(block):
    rows, rejects = everything(b"a,b\n1,\x00\n2,3\n", n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(one.line, one.reason) for one in rejects] == [(2, "nul")]


@pytest.mark.parametrize("quote", [b"", b'"'])
@pytest.mark.parametrize("n", [1_100_000, 3_000_000])
def test_a_huge_cell_costs_its_row_only(n, quote):
    raw = b"a,b\n1," + quote + b"x" * n + quote + b"\n2,3\n"
    rows, rejects = everything(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(one.line, one.reason) for one in rejects] == [(2, "long")]
    assert len(rejects[0].cells[-1]) <= 200_000


@pytest.mark.parametrize("n", [1_100_000, 6_000_000])
def test_lines_of_a_huge_quoted_cell_are_no_rows(n):
    """Whoever writes a free text of a customer would else make people of its lines."""
    raw = b'a,b\n1,"' + b"x" * n + b'\nvictim,attacker@example.org\n"\n2,3\n'
    rows, rejects = everything(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(one.line, one.reason) for one in rejects] == [(2, "long")]


def test_a_quoted_cell_behind_a_huge_one_is_no_row_either():
    raw = b"a,b\n" + b"x" * 3_000_000 + b',"\nvictim,attacker@example.org\n"\n2,3\n'
    rows, rejects = everything(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(one.line, one.reason) for one in rejects] == [(2, "long")]


def test_an_unclosed_quote_in_a_long_file_swallows_nothing():
    raw = b'a,b\n1,"open\n' + b"2,two\n" * 2_000_000
    reader = Reader(Bytes(raw), PLAIN, n_columns=2)
    header, broken, good = (reader.take(1) for _ in range(3))
    assert (header.rows, [one.reason for one in broken.rejects]) == ([["a", "b"]], ["quotes"])
    assert good.rows == [["2", "two"]]


@pytest.mark.parametrize("unit", [b"\n", b"\r\n", b",,,\n"])
def test_blank_lines_are_passed_over_a_stretch_at_a_time(unit):
    source = Bytes(unit * (5_000_000 // len(unit)) + b"1,2\n")
    reader = Reader(source, PLAIN, n_columns=2)
    found = reader.take(10)
    assert (len(found), found.is_end) == (0, False)
    assert 2_000_000 < reader.position < 3_000_000
    assert everything(source.data, n_columns=2)[0] == [["1", "2"]]


def test_lines_that_open_one_quote_after_the_other_do_not_hold_a_stretch_up():
    """From each of them on, all that follows could be one row."""
    reader = Reader(Bytes(b'a",",\n' * 2_000_000), PLAIN, n_columns=2)
    begin = time.process_time()
    assert 0 < len(reader.take(5000)) < 5000
    assert time.process_time() - begin < 5


def test_a_file_of_spaces_is_one_row_in_little_memory():
    rows, rejects = everything(b" " * 20_000_000, n_columns=2)
    assert rows == []
    assert [(one.line, one.reason) for one in rejects] == [(1, "long")]
