"""A call without a key costs little: no long body is parsed, no document is built twice."""

import json

from django.test import Client

from audiencesync.api import api
from audiencesync.groups import api_keys
from audiencesync.rest import strict_json

PATH = "/users/track"


def test_a_long_body_is_not_parsed_without_a_key_in_a_header(acme, alice, monkeypatch):
    _key, text = api_keys.issue(acme, name="Shop", scopes=["users.track"], by=alice)
    monkeypatch.setattr(strict_json, "loads", lambda _body: 1 / 0)
    body = json.dumps({"api_key": text, "attributes": [{"external_id": "x" * 70_000}]})
    answer = Client().post(PATH, body, content_type="application/json")
    assert answer.status_code == 401


def test_a_short_body_may_contain_its_key(acme, alice):
    _key, text = api_keys.issue(acme, name="Shop", scopes=["users.track"], by=alice)
    body = json.dumps({"api_key": text, "attributes": [{"external_id": "anna"}]})
    assert Client().post(PATH, body, content_type="application/json").status_code == 201


def test_the_openapi_document_is_built_once(db):
    assert Client().get("/api/openapi.json").status_code == 200
    assert api.get_openapi_schema() is api.get_openapi_schema()
