"""The OpenAPI document: names that do not change, the limits that are kept, headers, the address of the installation."""

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
        one["operationId"]: one
        for methods in document["paths"].values()
        for one in methods.values()
    }


def test_operations_are_named_by_their_addresses(operations):
    assert set(operations) == IDS


def test_the_document_names_the_installation(document, settings):
    assert [server["url"] for server in document["servers"]] == [settings.SITE_URL]


def test_every_answer_tells_its_headers(operations):
    for name, operation in operations.items():
        done = next(
            answer for status, answer in operation["responses"].items() if int(status) < 300
        )
        assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} <= set(
            done["headers"]
        ), name
        assert "Retry-After" in operation["responses"][429]["headers"], name


def test_calls_that_write_take_an_idempotency_key(operations):
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
    """Every array inside a schema."""
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
def test_every_list_of_people_has_its_greatest_length(document, schema, most):
    properties = document["components"]["schemas"][schema]["properties"]
    for name, shape in properties.items():
        outer = next(arrays(shape), None)
        if outer is not None:
            assert outer["maxItems"] == (100 if name == "fields_to_export" else most), name


def test_ids_and_times_have_a_form(document):
    item = next(arrays(document["components"]["schemas"]["Track"]["properties"]["events"]))[
        "items"
    ]["properties"]
    assert item["braze_id"]["pattern"] == "^[0-9a-f]{24}$"
    assert item["external_id"] == {"type": ["string", "integer"], "maxLength": 987}
    assert {"format": "date-time"} in item["time"]["anyOf"]
