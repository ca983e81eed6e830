"""Read rows with missing cells, blanks around quotation marks, and other quotation marks."""

import pytest

from audiencesync.people.imports import csv_reader
from audiencesync.people.imports.csv_reader import Layout
from tests.people.imports.test_reader import read_all


@pytest.fixture(params=[64, csv_reader.BLOCK])
def block(request, monkeypatch):
    """Use blocks so small that every row spans several, and blocks of the real size."""
    monkeypatch.setattr(csv_reader, "BLOCK", request.param)


def test_a_row_may_lack_or_repeat_empty_cells_at_its_end(block):
    raw = b"a,b,c\n1,2\n3\n4,5,6,,\n7,8,9,, \n1,2,3,4\n1,2,3,,5\n"
    rows, rejects = read_all(raw, n_columns=3)
    assert rows == [
        ["a", "b", "c"],
        ["1", "2", ""],
        ["3", "", ""],
        ["4", "5", "6"],
        ["7", "8", "9"],
    ]
    assert [(reject.line, reject.reason) for reject in rejects] == [(6, "columns"), (7, "columns")]


@pytest.mark.parametrize(
    "raw",
    [
        b'a, b, c\n1, "x, y", "say ""hi"""\n',
        b'a,b,c\n1,   "x, y","say ""hi"""\n',
        b'"a" , "b" ,"c"\n"1" ,"x, y" , "say ""hi""" \n',
        b' "a", "b", "c"\n "1", "x, y", "say ""hi"""',
    ],
)
@pytest.mark.parametrize("marks", ["", "spaced"])
def test_blanks_around_quotation_marks_are_removed(block, raw, marks):
    rows, rejects = read_all(raw, Layout(marks=marks), n_columns=3)
    assert (rows[1], rejects) == (["1", "x, y", 'say "hi"'], [])


def test_cells_in_single_or_typographic_marks_are_read(block):
    raw = "'a', 'b'\n'1','x, y'\n'2',it's\n"
    assert read_all(raw.encode(), Layout(marks="single"), n_columns=2)[0][1:] == [
        ["1", "x, y"],
        ["2", "it's"],
    ]
    raw = "“a”,„b“\n“1”,“x”\n2,‘y’\n"
    assert read_all(raw.encode(), Layout(marks="curly"), n_columns=2)[0] == [
        ["a", "b"],
        ["1", "x"],
        ["2", "y"],
    ]
