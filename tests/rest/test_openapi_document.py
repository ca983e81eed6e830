"""The OpenAPI document: stable operation ids, limits, headers and the server address."""

import pytest

from audiencesync.api import api as rest_api

IDS = {
    "users_track",
    "users_alias_new",
    "users_identify",
    "users_delete",
    "users_export_ids",
    "users_erasures",
    "canvas_trigger_send",
    "canvas_list",
    "canvas_details",
    "canvas_data_series",
    "canvas_data_summary",
    "segments_list",
    "segments_details",
    "segments_data_series",
    "campaigns_list",
    "feed_list",
    "events_list",
    "audiences",
    "deliveries",
}


@pytest.fixture(scope="module")
def document():
    return rest_api.get_openapi_schema()


@pytest.fixture(scope="module")
def operations(document):
    return {
        method["operationId"]: method
        for methods in document["paths"].values()
        for method in methods.values()
    }


def test_operation_ids_follow_the_paths(operations):
    assert set(operations) == IDS


def test_the_server_is_the_site_url(document, settings):
    assert [server["url"] for server in document["servers"]] == [settings.SITE_URL]


def test_every_answer_documents_its_headers(operations):
    for name, operation in operations.items():
        answers = operation["responses"].items()
        success = next(answer for status, answer in answers if int(status) < 300)
        limits = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
        assert limits <= set(success["headers"]), name
        assert "Retry-After" in operation["responses"][429]["headers"], name


def test_writing_operations_accept_an_idempotency_key(operations):
    takes = {
        name
        for name, operation in operations.items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in operation["parameters"])
    }
    assert takes == {
        "users_track",
        "users_alias_new",
        "users_identify",
        "users_delete",
        "canvas_trigger_send",
    }


def arrays(shape):
    """Yield every array inside a schema."""
    if isinstance(shape, dict):
        if shape.get("type") == "array":
            yield shape
        for part in shape.values():
            yield from arrays(part)
    if isinstance(shape, list):
        for part in shape:
            yield from arrays(part)


@pytest.mark.parametrize(
    ("schema", "most"),
    [("Track", 75), ("Delete", 50), ("Export", 50), ("NewAliases", 50), ("Identify", 50)],
)
def test_every_list_of_people_has_a_maximum_length(document, schema, most):
    properties = document["components"]["schemas"][schema]["properties"]
    for name, shape in properties.items():
        outer = next(arrays(shape), None)
        if outer is not None:
            assert outer["maxItems"] == (100 if name == "fields_to_export" else most), name


def test_ids_and_times_have_a_format(document):
    events = next(arrays(document["components"]["schemas"]["Track"]["properties"]["events"]))
    item = events["items"]["properties"]
    assert item["braze_id"]["pattern"] == "^[0-9a-f]{24}$"
    assert item["external_id"] == {"type": ["string", "integer"], "maxLength": 987}
    assert {"format": "date-time"} in item["time"]["anyOf"]
