"""An unusable identifier does not replace a usable one; a placeholder is an empty value."""

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.upsert import upsert
from tests.support.profiles import stored_hashes

IDFA = "5f3a2b18-9c4d-4e7f-b8e2-17d3a1e69b25"
GOOD = {"email": "ann@example.org", "phone": "+4915112345678", "idfa": IDFA}
PLACEHOLDERS = [
    "n/a",
    "N/A",
    "NULL",
    "-",
    "--",
    "#N/A",
    "\\N",
    "0",
    "000",
    "none",
    "Unknown",
    "none@none",
    "none@none.com",
]


@pytest.fixture(params=[False, True], ids=["values", "hashes only"])
def ann(request, acme, make_profile):
    acme.hash_only = request.param
    acme.save()
    upsert(acme, [Change(external_id="ann", fields=GOOD)], now=timezone.now())
    return Profile.objects.get()


def update(acme, *changes):
    done = upsert(
        acme, [Change(external_id="ann", fields=fields) for fields in changes], now=timezone.now()
    )
    return done, Profile.objects.get()


@pytest.mark.parametrize(
    ("kind", "bad"), [("email", "ann(at)example.org"), ("phone", "4.91761E11"), ("idfa", "x")]
)
def test_an_unusable_value_keeps_the_usable_one_and_is_counted(acme, ann, kind, bad):
    done, profile = update(acme, {"country": "DE"}, {kind: bad, "language": "de"})
    assert (done.kept, done.problems) == ({1: [kind]}, {})
    assert (stored_hashes(profile), getattr(profile, kind)) == (
        stored_hashes(ann),
        getattr(ann, kind),
    )
    assert (profile.country, profile.language, PastIdentifier.objects.count()) == ("DE", "de", 0)


@pytest.mark.parametrize("value", PLACEHOLDERS)
def test_a_placeholder_changes_nothing(acme, ann, value):
    done, profile = update(acme, dict.fromkeys(GOOD, value))
    assert done.kept == {}
    assert (profile.email, profile.phone, stored_hashes(profile)) == (
        ann.email,
        ann.phone,
        stored_hashes(ann),
    )


@pytest.mark.parametrize("kind", normalise.KINDS)
@pytest.mark.parametrize("raw", PLACEHOLDERS)
def test_a_placeholder_is_empty_and_never_hashed(kind, raw):
    assert normalise.normalise(kind, raw, region="DE").problem == "empty"
    row = tuple(raw if one == kind else "" for one in normalise.KINDS)
    assert list(normalise.hash_rows([row], region="DE")) == [
        (None, None, None, None, 0, None, None)
    ]


@pytest.mark.parametrize("value", ["", None])
def test_an_empty_value_deletes(acme, ann, value):
    _done, profile = update(acme, {"phone": value})
    assert (profile.phone, profile.phone_sha256) == ("", None)
    assert PastIdentifier.objects.get().sha256 == ann.phone_sha256


def test_a_later_unusable_value_in_one_call_keeps_the_usable_one(acme, ann):
    done, profile = update(acme, {"phone": "+4915187654321"}, {"phone": "12"})
    assert done.kept == {1: ["phone"]}
    assert profile.phone_sha256 == normalise.digest("+4915187654321")


def test_a_value_deleted_in_the_same_call_does_not_come_back(acme, ann):
    _done, profile = update(acme, {"phone": None}, {"phone": "12"})
    assert (profile.phone_sha256, profile.invalid_kinds) == (None, 0b10)


@pytest.mark.parametrize(
    "zeros",
    [
        normalise.ZERO,
        normalise.ZERO.replace("-", ""),
        f"{{{normalise.ZERO}}}",
        f"\u200b{normalise.ZERO} ",
        normalise.digest(normalise.ZERO).hex().upper(),
    ],
)
def test_a_zero_idfa_deletes_the_device_id(acme, ann, zeros):
    done, profile = update(acme, {"idfa": zeros})
    assert (done.kept, profile.idfa_sha256) == ({}, None)


def test_an_unusable_value_is_stored_without_a_usable_one(acme):
    _done, profile = update(acme, {"phone": "12"})
    assert (profile.phone, profile.invalid_kinds) == ("12", 0b10)
