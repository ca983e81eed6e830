"""Rows as people and their programs write them: cells that are missing, blanks around marks, other marks."""

import pytest

from audiencesync.people.imports import reading
from audiencesync.people.imports.reading import Layout
from tests.people.imports.test_reader import everything


@pytest.fixture(params=[64, reading.BLOCK])
def block(request, monkeypatch):
    """Blocks so small that every row lies across several; and those of earnest."""
    monkeypatch.setattr(reading, "BLOCK", request.param)


def test_a_row_may_lack_empty_cells_at_its_end_or_have_more_of_them(block):
    raw = b"a,b,c\n1,2\n3\n4,5,6,,\n7,8,9,, \n1,2,3,4\n1,2,3,,5\n"
    rows, rejects = everything(raw, n_columns=3)
    assert rows == [
        ["a", "b", "c"],
        ["1", "2", ""],
        ["3", "", ""],
        ["4", "5", "6"],
        ["7", "8", "9"],
    ]
    assert [(one.line, one.reason) for one in rejects] == [(6, "columns"), (7, "columns")]


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
def test_blanks_around_quotation_marks_are_no_part_of_the_cell(block, raw, marks):
    rows, rejects = everything(raw, Layout(marks=marks), n_columns=3)
    assert (rows[1], rejects) == (["1", "x, y", 'say "hi"'], [])


def test_cells_in_single_or_typographic_marks(block):
    raw = "'a', 'b'\n'1','x, y'\n'2',it's\n"
    assert everything(raw.encode(), Layout(marks="single"), n_columns=2)[0][1:] == [
        ["1", "x, y"],
        ["2", "it's"],
    ]
    raw = "“a”,„b“\n“1”,“x”\n2,‘y’\n"
    assert everything(raw.encode(), Layout(marks="curly"), n_columns=2)[0] == [
        ["a", "b"],
        ["1", "x"],
        ["2", "y"],
    ]
