"""Rate limits: headers of a success, and a refusal with a time to retry."""

import time

import pytest
from django.db import connection

from audiencesync.groups import rate_limits
from audiencesync.groups.models import RateWindow
from audiencesync.people.models import Profile
from canvases.models import Canvas
from tests.support.rest_api import LONG_WINDOW, Caller

ONE = {"attributes": [{"external_id": "a"}]}


@pytest.fixture
def two_a_window(settings):
    settings.API_LIMITS = settings.API_LIMITS | {"track": (2, LONG_WINDOW)}


def test_a_success_has_rate_limit_headers(api, two_a_window):
    answer = api.post("/users/track", ONE)
    assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("2", "1")
    assert 0 < int(answer["X-RateLimit-Reset"]) <= LONG_WINDOW


def test_a_call_above_the_limit_is_refused(api, two_a_window):
    for _ in range(2):
        assert api.post("/users/track", ONE).status_code == 201
    answer = api.post("/users/track", {"attributes": [{"external_id": "late"}]})
    assert answer.status_code == 429
    assert answer["X-RateLimit-Remaining"] == "0"
    assert int(answer["X-RateLimit-Reset"]) > time.time() - 5
    assert int(answer["X-Ratelimit-Retry-After"]) == int(answer["Retry-After"]) > 0
    assert not Profile.objects.filter(external_id="late").exists()


def test_groups_and_endpoints_have_separate_limits(api, issue_key, acme, other_group, two_a_window):
    for _ in range(3):
        api.post("/users/track", ONE)
    # another key of the same group
    assert Caller(issue_key(acme)).post("/users/track", ONE).status_code == 429
    assert Caller(issue_key(other_group)).post("/users/track", ONE).status_code == 201
    alias = {"user_aliases": [{"alias_label": "l", "alias_name": "n"}]}
    assert api.post("/users/alias/new", alias).status_code == 201


def test_a_new_window_starts_at_one(api, two_a_window):
    for _ in range(3):
        api.post("/users/track", ONE)
    RateWindow.objects.update(starts_at=0)
    assert api.post("/users/track", ONE)["X-RateLimit-Remaining"] == "1"


def test_an_unknown_key_is_not_counted(acme, two_a_window, db):
    for _ in range(3):
        assert Caller("ask_nobody").post("/users/track", ONE).status_code == 401
    assert not RateWindow.objects.exists()


def test_broadcasts_have_a_separate_limit(api, acme, settings):
    settings.API_LIMITS = settings.API_LIMITS | {"broadcast": (1, LONG_WINDOW)}
    canvas = Canvas.objects.create(app_group=acme, name="Welcome")
    broadcast = {"canvas_id": str(canvas.api_id), "broadcast": True}
    first, second = (api.post("/canvas/trigger/send", broadcast) for _ in range(2))
    assert (first.status_code, first["X-RateLimit-Limit"]) == (201, "1")
    assert (second.status_code, second["X-RateLimit-Remaining"]) == (429, "0")
    assert int(second["Retry-After"]) > 0
    one = {"canvas_id": str(canvas.api_id), "recipients": [{"external_user_id": "ann"}]}
    assert api.post("/canvas/trigger/send", one).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_counting_a_broadcast_holds_no_transaction(api, acme, monkeypatch):
    seen, counting = [], rate_limits.count

    def count(app_group, name, *, now):
        seen.append((name, connection.in_atomic_block))
        return counting(app_group, name, now=now)

    monkeypatch.setattr(rate_limits, "count", count)
    canvas = Canvas.objects.create(app_group=acme, name="Welcome")
    broadcast = {"canvas_id": str(canvas.api_id), "broadcast": True}
    assert api.post("/canvas/trigger/send", broadcast, Idempotency_Key="once").status_code == 201
    assert seen == [("trigger", False), ("broadcast", False)]
