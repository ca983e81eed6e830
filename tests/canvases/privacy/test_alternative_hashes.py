"""An erasure deletes alternative hashes; the export of a person contains them."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases.privacy import erase, export


@pytest.fixture
def ann(make_profile):
    return make_profile(email="a.b@gmail.com", phone="+4915112345678")


def test_an_erasure_clears_them_at_once(acme, ann, settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    erase.erase(acme, [ann.pk], asked_by="Alice", now=timezone.now())
    left = Profile.everybody.get()
    assert left.email_sha256 is not None
    assert (left.email_gmail_sha256, left.phone_digits_sha256) == (None, None)


def test_the_export_of_a_person_contains_them(ann):
    exported = export.everything(ann)["profile"]
    assert (
        exported["email_gmail_sha256"] == ann.email_gmail_sha256.hex() != exported["email_sha256"]
    )
    assert (
        exported["phone_digits_sha256"] == ann.phone_digits_sha256.hex() != exported["phone_sha256"]
    )
