"""Authenticate by a key with scopes and expiry; a key reaches only its own group."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import ApiKey
from audiencesync.people.models import Profile, UserAlias
from tests.support.rest_api import Caller

ONE = {"attributes": [{"external_id": "a", "plan": "x"}]}


def status(key, **headers):
    return Caller(key).post("/users/track", ONE, **headers).status_code


def test_a_valid_key_is_accepted(acme, issue_key):
    key = issue_key(acme, "users.track")
    assert status(key) == 201
    assert status(None, Authorization=f"bearer {key}") == 201
    assert Profile.objects.get().app_group == acme


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer x", "Basic {0}", "{0}", "Bearer {0}, Bearer {0}", "Bearer {0}x"],
)
def test_an_unknown_or_malformed_key_is_refused(acme, issue_key, header):
    key = issue_key(acme)
    answer = Caller(None).post("/users/track", ONE, Authorization=header.format(key))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert key not in answer.content.decode()
    assert not Profile.objects.exists()


def test_a_key_in_the_body_is_accepted(acme, issue_key):
    assert Caller(None).post("/users/track", ONE | {"api_key": issue_key(acme)}).status_code == 201
    assert Caller(None).post("/users/track", ONE | {"api_key": ["x"]}).status_code == 401


def test_a_key_in_the_url_is_refused(acme, issue_key):
    answer = Caller(None).post(f"/users/track?api_key={issue_key(acme)}", ONE)
    assert answer.status_code == 401
    assert "address" in answer.json()["message"]


def test_a_key_without_the_scope_is_refused(acme, issue_key):
    answer = Caller(issue_key(acme, "users.delete", "canvas.read")).post("/users/track", ONE)
    assert answer.status_code == 403
    assert "users.track" in answer.json()["message"]
    assert not Profile.objects.exists()


def test_a_revoked_key_is_refused_at_once(acme, issue_key):
    key = issue_key(acme)
    assert status(key) == 201
    ApiKey.objects.update(revoked_at=timezone.now())
    assert status(key) == 401


def test_an_expired_key_is_refused(acme, issue_key):
    assert status(issue_key(acme, expires_at=timezone.now() - timedelta(seconds=1))) == 401


def test_the_last_use_is_written_once_a_minute(acme, issue_key):
    key = issue_key(acme)
    status(key)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    status(key)
    assert ApiKey.objects.get().last_used_at == first
    earlier = timezone.now() - timedelta(minutes=2)
    ApiKey.objects.update(last_used_at=earlier)
    status(key)
    assert ApiKey.objects.get().last_used_at > earlier


def test_a_key_reaches_its_own_group_only(acme, other_group, issue_key, api):
    lead = {"alias_label": "l", "alias_name": "n"}
    api.track(attributes=[{"external_id": "a", "email": "a@example.org", "plan": "acme"}])
    api.post("/users/alias/new", {"user_aliases": [lead | {"external_id": "a"}]})
    before = Profile.objects.values().get()
    foreign, braze_id = Caller(issue_key(other_group)), Profile.objects.get().braze_id
    items = [{"external_id": "a", "plan": "b"}, {"email": "a@example.org", "plan": "b"}]
    foreign.track(
        attributes=[*items, {"user_alias": lead, "plan": "b", "_update_existing_only": False}]
    )
    answer = foreign.track(status=400, attributes=[{"braze_id": braze_id, "plan": "b"}])
    assert answer["errors"][0]["type"] == "UNKNOWN_USER"
    foreign.post(
        "/users/identify", {"aliases_to_identify": [{"external_id": "z", "user_alias": lead}]}
    )
    assert Profile.objects.filter(app_group=acme).values().get() == before
    assert Profile.objects.filter(app_group=other_group).count() == 3
    assert set(UserAlias.objects.values_list("app_group", "profile__app_group")) == {
        (g.pk, g.pk) for g in (acme, other_group)
    }


def test_a_session_does_not_replace_a_key(alice, signed_in):
    answer = signed_in(alice).post("/users/track", ONE, content_type="application/json")
    assert answer.status_code == 401
