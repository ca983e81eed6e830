"""Scenario: a REST call that is repeated until it has an answer counts once."""

import hashlib
import json
from collections.abc import Iterator

from django.test import Client

from audiencesync import urls
from audiencesync.groups.models import ApiKey, KeptAnswer
from audiencesync.people.models import Event, Profile
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World

assert urls.urlpatterns  # loads all views here, not once per child
KEY = f"ask_Crash222_{'k' * 43}"
CALL = {
    "attributes": [{"external_id": "new", "visits": {"inc": 1}}],
    "events": [{"external_id": "new", "name": "cart", "time": "2026-11-01T10:00:00Z"}],
}


def _before_call(world: World) -> None:
    sha = hashlib.sha256(KEY.encode()).hexdigest()
    ApiKey.objects.create(
        app_group=world.group, name="shop", prefix="Crash222", sha256=sha, scopes=["users.track"]
    )


def _call(_world: World) -> None:
    """Report one visit, as a shop that repeats the call until it has an answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Idempotency-Key": "visit-1"}
    answer = Client().post(
        "/users/track", json.dumps(CALL), content_type="application/json", headers=headers
    )
    assert answer.status_code == 201, answer.content


def _check_called_once(_world: World) -> Iterator[str]:
    n_events = Event.objects.count()
    profiles = list(Profile.objects.values_list("external_id", "attributes__visits"))
    n_answers = KeptAnswer.objects.count()
    if (n_events, profiles, n_answers) != (1, [("new", 1)], 1):
        yield f"{n_events} events, profiles: {profiles}, {n_answers} answers are kept"


TRACK = Scenario(
    "call with a key",
    prepare=_before_call,
    interrupted=_call,
    finish=_call,
    check=_check_called_once,
    allowed_ends=(End(counts={}),),
)
