"""Idempotency-Key: a repeated call is executed once and gets the same answer."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.groups.models import KeptAnswer
from audiencesync.people.models import Event, Profile
from audiencesync.rest import idempotency
from tests.support.rest_api import Caller

EVENT = {"events": [{"external_id": "a", "name": "cart", "time": "2026-11-01T10:00:00Z"}, {}]}


def call(api, body=None, key="k-1", path="/users/track"):
    return api.post(path, EVENT if body is None else body, Idempotency_Key=key)


def test_a_repeated_call_is_executed_once(api):
    first, second = call(api), call(api)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert "errors" in second.json()
    assert (first.get("Idempotent-Replayed"), second["Idempotent-Replayed"]) == (None, "true")
    assert Event.objects.count() == 1


def test_calls_without_a_key_are_all_executed(api):
    api.post("/users/track", EVENT)
    api.post("/users/track", EVENT)
    assert Event.objects.count() == 2


def test_another_body_with_the_same_key_is_refused(api):
    call(api)
    assert call(api, {"attributes": [{"external_id": "b"}]}).status_code == 422
    assert call(api, {"user_aliases": []}, path="/users/alias/new").status_code == 422
    assert Profile.objects.count() == 1


def test_keys_of_two_groups_are_independent(api, issue_key, other_group):
    call(api)
    assert "Idempotent-Replayed" not in call(Caller(issue_key(other_group)))
    assert Event.objects.count() == 2


def test_the_answer_of_a_reading_call_is_not_stored(api):
    api.track(attributes=[{"external_id": "a", "email": "max@example.org"}])
    read = {"external_ids": ["a"], "fields_to_export": ["email"]}
    answers = [call(api, read, path="/users/export/ids") for _ in range(2)]
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert "max@example.org" in answers[1].content.decode()
    assert "Idempotent-Replayed" not in answers[1]
    assert not KeptAnswer.objects.exists()


def test_a_failed_call_can_be_repeated(api):
    assert call(api, {"attributes": [{"email": "nobody"}]}).status_code == 400
    assert call(api).status_code == 201


def test_a_key_is_free_after_a_day(api):
    call(api)
    KeptAnswer.objects.update(at=timezone.now() - timedelta(hours=25))
    assert "Idempotent-Replayed" not in call(api)
    assert (Event.objects.count(), KeptAnswer.objects.count()) == (2, 1)


def test_old_answers_are_deleted(api):
    call(api, key="old")
    KeptAnswer.objects.update(at=timezone.now() - timedelta(hours=25))
    call(api, key="new")
    idempotency.delete_old(now=timezone.now())
    assert KeptAnswer.objects.count() == 1


@pytest.mark.parametrize("key", ["", " ", "x" * 256, "ü", "two words"])
def test_an_invalid_key_is_refused(api, key):
    assert call(api, key=key).status_code == 400
    assert not Event.objects.exists()
