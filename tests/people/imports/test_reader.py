"""Read CSV rows from any offset; broken input costs only its own line."""

import csv
import io
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.people.imports import csv_reader
from audiencesync.people.imports.csv_reader import DELIMITERS, ENCODINGS, Layout, Reader

pytestmark = pytest.mark.thorough

PROPERTY = settings(suppress_health_check=[HealthCheck.too_slow], max_examples=150)
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


def read_all(data, layout=PLAIN, *, n_columns, step=3):
    """Return all rows and rejects; every few rows, a new reader resumes, as after a crash."""
    source, rows, rejects, position, line = Bytes(data), [], [], 0, 0
    while True:
        reader = Reader(source, layout, n_columns=n_columns, position=position, line=line)
        chunk = reader.take(step)
        if chunk.is_end and not chunk:
            return rows, rejects
        assert (reader.position, reader.line) > (position, line)
        position, line = reader.position, reader.line
        rows += chunk.rows
        rejects += chunk.rejects


@pytest.fixture(params=[64, csv_reader.BLOCK])
def block(request, monkeypatch):
    """Use blocks so small that every row spans several, and blocks of the real size."""
    monkeypatch.setattr(csv_reader, "BLOCK", request.param)


@PROPERTY
@given(st.data())
def test_rows_written_by_the_csv_module_are_read_unchanged(data):
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
    mark = csv_reader.BOMS.get(encoding, b"") if data.draw(st.booleans()) else b""
    if text.getvalue().startswith("\ufeff") and not mark:
        mark = csv_reader.BOMS.get(encoding, b"")  # a leading U+FEFF is read as a byte order mark
    raw = mark + text.getvalue().encode(encoding)
    rows_read, rejects = read_all(
        raw, Layout(encoding, name), n_columns=3, step=data.draw(st.integers(1, 4))
    )
    assert rejects == []
    assert rows_read == [list(row) for row in rows if any(row)]


@PROPERTY
@given(st.binary(max_size=400), st.sampled_from(list(ENCODINGS)), st.sampled_from(list(DELIMITERS)))
def test_arbitrary_bytes_are_read_alike_from_any_offset(raw, encoding, delimiter):
    layout = Layout(encoding, delimiter)
    assert read_all(raw, layout, n_columns=2, step=1) == read_all(
        raw, layout, n_columns=2, step=1000
    )


@PROPERTY
@given(
    st.lists(st.text(st.sampled_from('a",\r\n\t'), max_size=10), max_size=12), st.integers(8, 40)
)
def test_the_size_of_blocks_does_not_change_the_rows(parts, size):
    raw = "".join(parts).encode()
    whole = read_all(raw, n_columns=2, step=1000)
    before, csv_reader.BLOCK = csv_reader.BLOCK, size
    try:
        assert read_all(raw, n_columns=2, step=1000) == whole
    finally:
        csv_reader.BLOCK = before


def test_an_unclosed_quote_is_rejected_alone(block):
    raw = b'a,b\n1,"open\n2,two\n"3","three"\n4,fo"ur\n'
    rows, rejects = read_all(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "two"], ["3", "three"], ["4", 'fo"ur']]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "quotes")]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_every_kind_of_line_end_is_read(block, end):
    rows, rejects = read_all(end.join(["a,b", "1,2", "", "3,4"]).encode(), n_columns=2, step=1)
    assert (rows, rejects) == ([["a", "b"], ["1", "2"], ["3", "4"]], [])


def test_mixed_line_ends_keep_the_line_numbers(block):
    raw = b'a,b\r\n1,"x\r\ny"\r2,"z"\n3,4,5\n'
    rows, rejects = read_all(raw, n_columns=2)
    assert rows == [["a", "b"], ["1", "x\r\ny"], ["2", "z"]]
    assert [(reject.line, reject.reason, reject.cells) for reject in rejects] == [
        (5, "columns", ["3", "4", "5"])
    ]


def test_bytes_of_another_encoding_reject_their_row_only(block):
    rows, rejects = read_all("a,b\nMüller,1\nMeier,2\n".encode("cp1252"), n_columns=2)
    assert rows == [["a", "b"], ["Meier", "2"]]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "encoding")]


def test_a_nul_rejects_its_row_only(block):
    rows, rejects = read_all(b"a,b\n1,\x00\n2,3\n", n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "nul")]


@pytest.mark.parametrize("quote", [b"", b'"'])
@pytest.mark.parametrize("n", [1_100_000, 3_000_000])
def test_a_huge_cell_rejects_its_row_only(n, quote):
    raw = b"a,b\n1," + quote + b"x" * n + quote + b"\n2,3\n"
    rows, rejects = read_all(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "long")]
    assert len(rejects[0].cells[-1]) <= 200_000


@pytest.mark.parametrize("n", [1_100_000, 6_000_000])
def test_lines_within_a_huge_quoted_cell_are_no_rows(n):
    # Otherwise a customer's free text could create profiles.
    raw = b'a,b\n1,"' + b"x" * n + b'\nvictim,attacker@example.org\n"\n2,3\n'
    rows, rejects = read_all(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "long")]


def test_lines_within_a_quoted_cell_after_a_huge_cell_are_no_rows():
    raw = b"a,b\n" + b"x" * 3_000_000 + b',"\nvictim,attacker@example.org\n"\n2,3\n'
    rows, rejects = read_all(raw, n_columns=2)
    assert rows == [["a", "b"], ["2", "3"]]
    assert [(reject.line, reject.reason) for reject in rejects] == [(2, "long")]


def test_an_unclosed_quote_in_a_long_file_is_rejected_alone():
    raw = b'a,b\n1,"open\n' + b"2,two\n" * 2_000_000
    reader = Reader(Bytes(raw), PLAIN, n_columns=2)
    header, broken, good = (reader.take(1) for _ in range(3))
    assert (header.rows, [reject.reason for reject in broken.rejects]) == ([["a", "b"]], ["quotes"])
    assert good.rows == [["2", "two"]]


@pytest.mark.parametrize("unit", [b"\n", b"\r\n", b",,,\n"])
def test_blank_lines_are_skipped_a_chunk_at_a_time(unit):
    source = Bytes(unit * (5_000_000 // len(unit)) + b"1,2\n")
    reader = Reader(source, PLAIN, n_columns=2)
    chunk = reader.take(10)
    assert (len(chunk), chunk.is_end) == (0, False)
    assert 2_000_000 < reader.position < 3_000_000
    assert read_all(source.data, n_columns=2)[0] == [["1", "2"]]


def test_many_unclosed_quotes_do_not_block_a_chunk():
    # From each of these lines on, the rest of the file could be one row.
    reader = Reader(Bytes(b'a",",\n' * 2_000_000), PLAIN, n_columns=2)
    begin = time.process_time()
    assert 0 < len(reader.take(5000)) < 5000
    assert time.process_time() - begin < 5


def test_a_file_of_spaces_is_one_rejected_row():
    rows, rejects = read_all(b" " * 20_000_000, n_columns=2)
    assert rows == []
    assert [(reject.line, reject.reason) for reject in rejects] == [(1, "long")]
