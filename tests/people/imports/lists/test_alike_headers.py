"""Columns with the same name, or without a name, are counted and listed separately."""

import re
from html import unescape

import pytest

pytestmark = pytest.mark.thorough

LINK = re.compile(r'href="(/g/acme/people/imports/[0-9]+/rows/\?number=[^"]+)"[^>]*>\s*([0-9]+)')


def numbers(import_pages, row):
    """Return the numbers on the page of the import by name; check the length of each list."""
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/").content.decode()
    counts = {unescape(url): int(n) for url, n in LINK.findall(page)}
    for address, n in counts.items():
        assert import_pages.client.get(address).content.decode().count("<tr data-row>") == n, (
            address
        )
    return {address.partition("=")[2]: n for address, n in counts.items()}


def test_an_attribute_may_have_the_name_of_the_phone(import_pages):
    file = "external_id,phone,phone\nc-1,12,x\nc-2,+4915112345678,y\n"
    row = import_pages.run_to_end(file, target_2="text", name_2="phone 2")
    assert numbers(import_pages, row) == {"unusable_phone": 1}


def test_a_column_without_a_name_differs_from_rejected_rows(import_pages):
    file = "external_id,,\nc-1,7,12\nc-2,x,+4915112345678\nc-3,y,13\n,8,\n"
    row = import_pages.run_to_end(file, target_1="number", name_1="n", target_2="phone")
    assert numbers(import_pages, row) == {"rejected": 1, "left_out_1": 2, "unusable_phone": 2}
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/rows/?number=left_out_1")
    assert "Column 2" in page.content.decode()


def test_counts_of_an_earlier_version_do_not_break_the_page(import_pages):
    row = import_pages.run_to_end("external_id,phone,city\nc-1,12,Ulm\n")
    type(row).objects.update(problem_counts={"unusable": {"text": 1}})
    assert numbers(import_pages, row) == {}
