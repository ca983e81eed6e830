"""An unusable cell or a placeholder does not replace a usable identifier."""

import pytest

from audiencesync.people.models import PastIdentifier, Profile
from tests.support.profiles import stored_hashes

pytestmark = pytest.mark.thorough


@pytest.mark.parametrize("cells", ["n/a,-", "nobody,12", "NULL,\\N", "none@none,0"])
def test_an_unusable_cell_keeps_the_usable_identifier(import_pages, make_profile, cells):
    before = make_profile(external_id="c-1", email="ann@example.org", phone="+4915112345678")
    row = import_pages.run_to_end(f"external_id,email,phone,city\nc-1,{cells},Ulm\n")
    assert (row.n_updated, row.n_rejected) == (1, 0)
    profile = Profile.objects.get()
    assert (profile.email, profile.phone, stored_hashes(profile)) == (
        before.email,
        before.phone,
        stored_hashes(before),
    )
    assert (profile.attributes, PastIdentifier.objects.count()) == ({"city": "Ulm"}, 0)


def test_a_later_unusable_row_keeps_the_identifier_of_an_earlier_row(import_pages):
    import_pages.run_to_end(
        "external_id,email,phone\nc-1,ann@example.org,+4915112345678\nc-1,nobody,12\nc-1,n/a,0\n"
    )
    profile = Profile.objects.get()
    assert (profile.email, profile.phone, profile.invalid_kinds) == (
        "ann@example.org",
        "+4915112345678",
        0,
    )


def test_a_placeholder_of_a_new_profile_is_an_empty_cell(import_pages):
    import_pages.run_to_end("external_id,email,phone\nc-1,n/a,-\n")
    profile = Profile.objects.get()
    assert (profile.email, profile.phone, profile.invalid_kinds) == ("", "", 0)
