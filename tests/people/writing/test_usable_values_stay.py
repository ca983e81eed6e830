"""An identifier that cannot be used never replaces one that can; a placeholder is an empty value."""

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.writing.upsert import upsert

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


def tell(acme, *changes):
    done = upsert(
        acme, [Change(external_id="ann", fields=fields) for fields in changes], now=timezone.now()
    )
    return done, Profile.objects.get()


@pytest.mark.parametrize(
    ("kind", "bad"), [("email", "ann(at)example.org"), ("phone", "4.91761E11"), ("idfa", "x")]
)
def test_an_unusable_value_leaves_the_usable_one_and_is_counted(acme, ann, kind, bad):
    done, known = tell(acme, {"country": "DE"}, {kind: bad, "language": "de"})
    assert (done.kept, done.problems) == ({1: [kind]}, {})
    assert (normalise.stored(known), getattr(known, kind)) == (
        normalise.stored(ann),
        getattr(ann, kind),
    )
    assert (known.country, known.language, PastIdentifier.objects.count()) == ("DE", "de", 0)


@pytest.mark.parametrize("told", PLACEHOLDERS)
def test_a_placeholder_says_nothing(acme, ann, told):
    done, known = tell(acme, dict.fromkeys(GOOD, told))
    assert done.kept == {}
    assert (known.email, known.phone, normalise.stored(known)) == (
        ann.email,
        ann.phone,
        normalise.stored(ann),
    )


@pytest.mark.parametrize("kind", normalise.KINDS)
@pytest.mark.parametrize("raw", PLACEHOLDERS)
def test_a_placeholder_is_empty_and_never_hashed(kind, raw):
    assert normalise.normalise(kind, raw, region="DE").problem == "empty"
    row = tuple(raw if one == kind else "" for one in normalise.KINDS)
    assert list(normalise.hash_rows([row], region="DE")) == [(None, None, None, None, 0)]


@pytest.mark.parametrize("told", ["", None])
def test_an_empty_value_still_deletes_where_it_did(acme, ann, told):
    _done, known = tell(acme, {"phone": told})
    assert (known.phone, known.phone_sha256) == ("", None)
    assert PastIdentifier.objects.get().sha256 == ann.phone_sha256


def test_within_one_call_the_usable_value_stays_too(acme, ann):
    done, known = tell(acme, {"phone": "+4915187654321"}, {"phone": "12"})
    assert done.kept == {1: ["phone"]}
    assert known.phone_sha256 == normalise.digest("+4915187654321")


def test_what_was_deleted_in_the_same_call_does_not_come_back(acme, ann):
    _done, known = tell(acme, {"phone": None}, {"phone": "12"})
    assert (known.phone_sha256, known.invalid_kinds) == (None, 0b10)


def test_a_device_that_refuses_tracking_loses_its_id(acme, ann):
    done, known = tell(acme, {"idfa": normalise.ZERO})
    assert (done.kept, known.idfa_sha256) == ({}, None)


def test_an_unusable_value_is_kept_where_nothing_else_is_known(acme):
    _done, known = tell(acme, {"phone": "12"})
    assert (known.phone, known.invalid_kinds) == ("12", 0b10)
