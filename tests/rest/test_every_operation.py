"""Every operation of the OpenAPI document requires a key with its scope; errors are JSON."""

import re

import pytest

from audiencesync.api import api as rest_api
from audiencesync.groups import api_keys
from audiencesync.rest.middleware import API_PATH
from tests.support.rest_api import Caller

OPERATIONS = [
    (method, path)
    for path, methods in rest_api.get_openapi_schema()["paths"].items()
    for method in sorted(methods)
]


def call(key, method, path):
    caller = Caller(key)
    return caller.post(path, {}) if method == "post" else caller.get(path)


def test_the_main_operations_exist():
    assert {("post", "/users/track"), ("post", "/users/identify"), ("get", "/canvas/list")} <= set(
        OPERATIONS
    )


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_an_operation_requires_a_key_with_its_scope(acme, other_group, method, path):
    assert API_PATH.match(path)  # otherwise its errors would be HTML pages
    assert call(None, method, path).status_code == 401
    assert call("wrong", method, path).status_code == 401
    _key, text = api_keys.issue(acme, name="may nothing", scopes=[], by=None)
    answer = call(text, method, path)
    assert answer.status_code == 403
    assert any(scope in answer.json()["message"] for scope in api_keys.SCOPES)
    for scope in api_keys.SCOPES:
        _key, text = api_keys.issue(acme, name=scope, scopes=[scope], by=None)
        if (status := call(text, method, path).status_code) != 403:
            assert status in (200, 400, 404)
            return
    pytest.fail("no scope allows this operation")


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_other_method_and_a_trailing_slash_are_refused_in_json(api, method, path):
    other = api.get(path) if method == "post" else api.post(path, {})
    assert (other.status_code, other["Content-Type"]) == (405, "application/json")
    slash = call(api.key, method, f"{path}/")
    assert (slash.status_code, slash["Content-Type"]) == (404, "application/json")


def test_the_document_is_public(client, db):
    answer = client.get("/api/openapi.json")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/json")
    assert answer.json()["components"]["securitySchemes"]["ApiKeyAuth"] == {
        "type": "http",
        "scheme": "bearer",
    }
    page = client.get("/api/docs").content.decode()
    assert not re.search(r'(src|href)="(https?:)?//', page)  # loads nothing from other hosts
    for method, path in OPERATIONS:
        assert f'<code class="wrap-any">{path}</code>' in page
        assert f"curl -X {method.upper()} " in page


def test_the_example_of_the_document_is_a_valid_call(client, api):
    (example,) = client.get("/api/openapi.json").json()["components"]["schemas"]["Track"][
        "examples"
    ]
    assert "errors" not in api.track(**example)
