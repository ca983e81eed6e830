"""The receipts page counts suppressed people; an admin releases the person of a receipt."""

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models import ErasedName, Erasure, Profile
from canvases.privacy import erase

pytestmark = pytest.mark.thorough


@pytest.fixture
def erasure(acme, settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    ann = Profile.objects.create(app_group=acme, external_id="ann")
    (row,) = erase.erase(acme, [ann.pk], asked_by="x", now=timezone.now())
    return row


def test_an_admin_releases_the_person_of_a_receipt(erasure, alice, signed_in):
    client, path = signed_in(alice), f"/g/acme/people/erasures/{erasure.key}/release/"
    page = client.get("/g/acme/people/erasures/").content.decode()
    assert ("1 erased person is held back" in page, path in page) == (True, True)
    assert client.get(path).status_code == 200
    assert ErasedName.objects.exists()
    assert client.post(path).status_code == 302
    assert not ErasedName.objects.exists()
    assert Activity.objects.filter(verb="changed", subject__contains=erasure.key).count() == 1
    assert path not in client.get("/g/acme/people/erasures/").content.decode()


def test_only_admins_may_release(erasure, bob, signed_in):
    assert signed_in(bob).post(f"/g/acme/people/erasures/{erasure.key}/release/").status_code == 403
    assert (ErasedName.objects.count(), Erasure.objects.count()) == (1, 1)


def test_the_suppression_days_are_a_setting_of_the_group(acme, alice, signed_in):
    client = signed_in(alice)
    body = {"name": "Acme", "time_zone": "UTC", "phone_region": "DE", "consent_values": "true"}
    for value, kept in (("30", 30), ("", 30), ("0", 30), ("99999", 30), ("x", 30)):
        client.post("/g/acme/settings/", body | {"suppression_days": value})
        acme.refresh_from_db()
        assert acme.suppression_days == kept
