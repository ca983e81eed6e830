"""In a hash-only group no cell with an address becomes an attribute, whatever its mapping."""

import pytest

from audiencesync.people.imports.csv_reader import Layout, ParsedRows
from audiencesync.people.imports.mapping import Column, Converter, Plan
from audiencesync.people.models import KINDS, Profile, UserAlias


def read(cell, target="text", name="note", *, hash_only=True):
    plan = Plan(Layout(), (Column("id", "external_id", "id"), Column(name, target, name)))
    batch, rejects = Converter(plan, region="DE", hash_only=hash_only).read(
        ParsedRows([2], [["one", cell]])
    )
    return batch.attributes, [(reject.reason, reject.is_imported) for reject in rejects]


@pytest.mark.parametrize(
    ("cell", "target", "name"),
    [
        ("Anna <b@example.org>", "text", "note"),
        ("+49 151 12345678", "text", "note"),
        ("1234567", "text", "Handy privat"),
        ("4915112345678", "number", "mobile"),
        ('["b@example.org"]', "kept", "note"),
    ],
)
def test_a_cell_with_an_address_is_left_out(cell, target, name):
    assert read(cell, target, name) == ([{}], [("clear", True)])


def test_attributes_without_an_address_are_kept_from_a_mixed_cell():
    assert read('{"mail": "b@example.org", "tier": "gold"}', "rest") == (
        [{"tier": "gold"}],
        [("clear", True)],
    )


def test_a_cell_with_an_address_is_kept_in_other_groups():
    assert read("b@example.org", hash_only=False) == ([{"note": "b@example.org"}], [])


def test_an_address_beyond_the_sampled_rows_is_left_out(import_pages, acme, monkeypatch):
    acme.hash_only = True
    acme.save()
    monkeypatch.setattr("audiencesync.people.imports.lifecycle.SAMPLE", 2)
    row = import_pages.run_to_end("external_id,note\nc-1,a\nc-2,b\nc-3,write to b@example.org\n")
    assert (row.n_created, row.problem_counts) == (3, {"left_out": {"note": 1}})


def test_an_alias_that_holds_an_address_is_rejected(import_pages, acme):
    acme.hash_only = True
    acme.save()
    file = "alias,note\nmax@example.org,a\n0176 12345678,b\ncrm-1,c\n1,d\n"
    row = import_pages.run_to_end(file, alias_label="crm")
    assert (row.n_created, row.n_rejected) == (2, 2)
    assert set(UserAlias.objects.values_list("name", flat=True)) == {"crm-1", "1"}
    assert "stores only hashes" in import_pages.rejects(row)[1]


def test_an_alias_that_holds_an_address_is_kept_in_other_groups(import_pages, acme):
    row = import_pages.run_to_end("alias\nmax@example.org\n", alias_label="crm")
    assert (row.n_created, UserAlias.objects.get().name) == (1, "max@example.org")


def test_an_unusable_identifier_of_a_known_person_is_noted(import_pages, acme):
    acme.hash_only = True
    acme.save()
    import_pages.run_to_end("external_id,country\nc-1,DE\n")
    import_pages.run_to_end("external_id,idfa\nc-1,00000000-0000-0000-0000-000000000000\n")
    profile = Profile.objects.get()
    assert (profile.idfa_sha256, profile.invalid_kinds) == (None, 1 << KINDS.index("idfa"))
