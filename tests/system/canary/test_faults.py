"""No fault of the partner puts a token or personal data into logs, even at DEBUG, or tables."""

import logging

import pytest

from audiencesync.people.models import Profile
from partners.models import Batch, Delivery, Push
from tests.support import profiles
from tests.support.profiles import stored_hashes
from tests.system.canary.planted import Planted, person

pytestmark = pytest.mark.thorough

FAULTS = {
    "code": {"code": 40105},
    "http_error": {"status": 502},
    "poison": {},
    "partial": {"rows": [0], "named": True},
    "slow": {"seconds": 0.1},
    "drip": {"seconds": 0.01},
} | dict.fromkeys(  # kinds without details
    [
        "throttle",
        "drop",
        "not_allowlisted",
        "truncated",
        "not_json",
        "empty",
        "wrong_type",
        "redirect",
        "huge",
        "code_text",
        "code_null",
        "code_missing",
        "apply_then_drop",
    ],
    {},
)


@pytest.fixture
def planted(world):
    """Return a profile's data and a token that no log may hold."""
    fields = person()
    profile = Profile(app_group=world.app_group, external_id="canary", **fields)
    profiles.set_hashes(profile, region="DE")
    profile.save()
    hashes = {f"hash {n}": value.hex() for n, value in enumerate(stored_hashes(profile)[:4])}
    return Planted(secrets={"token": world.remote_token}, people=fields | hashes)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_leaks_no_planted_value(world, planted, caplog, kind):
    for name in ("", "urllib3.connectionpool", "django", "partners"):
        caplog.set_level(logging.DEBUG, logger=name)
    to_sync = world.create_sync(kinds=("email", "phone", "idfa", "gaid"))
    details = FAULTS[kind] | ({"hash": planted.people["hash 0"]} if kind == "poison" else {})
    world.set_fault(kind, **details, count=2)
    world.enter(to_sync, [*Profile.objects.filter(external_id="canary"), *world.create_people(2)])
    world.flush(times=2)

    rows = [list(model.objects.values()) for model in (Push, Batch, Delivery)]
    assert rows[0]
    written = caplog.text + repr([record.__dict__ for record in caplog.records]) + repr(rows)
    assert "Starting new HTTP connection" in written  # a DEBUG line of urllib3
    assert planted.found(written) == []
