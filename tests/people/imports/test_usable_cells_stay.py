"""A cell that cannot be used, or holds a placeholder, takes nobody's identifier away, whichever way the chunk goes."""

import pytest

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import PastIdentifier, Profile


@pytest.mark.parametrize("cells", ["n/a,-", "nobody,12", "NULL,\\N", "none@none,0"])
def test_an_unusable_cell_leaves_what_can_be_used(imports, make_profile, cells):
    ann = make_profile(external_id="c-1", email="ann@example.org", phone="+4915112345678")
    row = imports.run(f"external_id,email,phone,city\nc-1,{cells},Ulm\n")
    assert (row.n_updated, row.n_rejected) == (1, 0)
    known = Profile.objects.get()
    assert (known.email, known.phone, normalise.stored(known)) == (
        ann.email,
        ann.phone,
        normalise.stored(ann),
    )
    assert (known.attributes, PastIdentifier.objects.count()) == ({"city": "Ulm"}, 0)


def test_a_later_row_of_the_file_leaves_what_an_earlier_one_told(imports):
    imports.run(
        "external_id,email,phone\nc-1,ann@example.org,+4915112345678\nc-1,nobody,12\nc-1,n/a,0\n"
    )
    known = Profile.objects.get()
    assert (known.email, known.phone, known.invalid_kinds) == (
        "ann@example.org",
        "+4915112345678",
        0,
    )


def test_a_placeholder_of_somebody_new_is_an_empty_cell(imports):
    imports.run("external_id,email,phone\nc-1,n/a,-\n")
    known = Profile.objects.get()
    assert (known.email, known.phone, known.invalid_kinds) == ("", "", 0)
