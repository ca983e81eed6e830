"""Whatever goes wrong under the API's paths, the answer is JSON, and nothing is half done."""

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path

from audiencesync.api import api as rest
from audiencesync.people.models import Profile


def broken(request):
    raise ValueError("max@example.org")


def without_database(request):
    raise OperationalError("max@example.org")


urlpatterns = [path("users/broken", broken), path("users/away", without_database)]
handler500 = "audiencesync.core.error_pages.server_error"


def assert_json(answer, status):
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    assert (answer["Cache-Control"], answer["X-Content-Type-Options"]) == ("no-store", "nosniff")
    assert "default-src 'self'" in answer["Content-Security-Policy"]
    body = answer.json()
    assert set(body) == {"message", "errors", "request_id"}
    assert body["request_id"] == answer["X-Request-ID"]
    assert "max@example.org" not in answer.content.decode()
    return body


@pytest.mark.parametrize(
    "address",
    ["/users/track/", "/users", "/users/nothing", "/canvas/none", "/segments/", "/audiences/x"],
)
def test_an_unknown_address(db, address):
    assert_json(Client().get(address), 404)
    assert_json(Client().post(address), 404)


LOST = [
    "/campaigns/trigger/schedule/create",
    "/messages/send",
    "/email/status",
    "/Users/track",
    "/nothing",
]


@pytest.mark.parametrize("address", LOST)
def test_an_address_that_only_braze_has(db, address):
    assert_lost(Client().post(address, {}, content_type="application/json"))
    assert_lost(Client().get(address, headers={"Authorization": "Bearer x"}))
    assert_lost(Client().get(address, headers={"Accept": "application/json"}))
    said = (
        Client()
        .get(address, headers={"Accept": "application/json", "Accept-Language": "de"})
        .json()["message"]
    )
    is_of_braze = address not in ("/Users/track", "/nothing")
    assert said.startswith("There is no such address")
    assert ("Braze call that AudienceSync does not offer" in said) == is_of_braze


def assert_lost(answer):
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert set(answer.json()) == {"message", "errors", "request_id"}


def test_a_browser_is_shown_a_page(db):
    answer = Client().get("/email/status", headers={"Accept": "text/html,application/json"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
def test_a_wrong_method(api, method):
    answer = getattr(api.http, method)("/users/track")
    assert_json(answer, 405)
    assert answer["Allow"] == "POST"


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        "application/json5",
    ],
)
def test_a_wrong_content_type(api, kind):
    assert_json(
        api.post("/users/track", b'{"attributes":[{"external_id":"a"}]}', content_type=kind), 415
    )
    assert not Profile.objects.exists()


def test_a_packed_body(api):
    assert_json(api.post("/users/track", {}, Content_Encoding="gzip"), 415)


def test_a_body_that_is_too_long(api, settings):
    answer = api.post("/users/track", b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) in assert_json(answer, 413)["message"]


def test_too_many_objects(api, settings):
    for name in ("attributes", "events", "purchases"):
        body = {
            "attributes": [{"external_id": "a"}],
            name: [{"external_id": str(n)} for n in range(76)],
        }
        assert "75" in assert_json(api.post("/users/track", body), 400)["message"]
    assert not Profile.objects.exists()
    settings.API_MAX_OBJECTS = 76
    assert api.post("/users/track", {"attributes": body["purchases"]}).status_code == 201


def test_75_objects_in_each_list_are_taken(api):
    when = {"time": "2026-11-01T10:00:00Z"}
    people = [{"external_id": str(n)} for n in range(75)]
    bought = {"product_id": 7, "currency": "EUR", "price": 1} | when
    answer = api.track(
        attributes=people,
        events=[one | when | {"name": "cart"} for one in people],
        purchases=[one | bought for one in people],
    )
    counts = {"attributes_processed": 75, "events_processed": 75, "purchases_processed": 75}
    assert answer == {"message": "success"} | counts


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_and_a_database_that_is_away(db):
    client = Client(raise_request_exception=False)
    assert_json(client.get("/users/broken"), 500)
    away = client.get("/users/away")
    assert_json(away, 503)
    assert away["Retry-After"] == "60"


@pytest.mark.parametrize(
    "path", sorted({path.split("/")[1] for path in rest.get_openapi_schema()["paths"]})
)
def test_no_address_of_the_api_redirects_a_key_that_was_sent_bare(api, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    for address in (f"/{path}", f"/{path}/list"):
        assert_json(api.get(address), 403)


def test_without_https_nothing_is_redirected(api, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert_json(api.post("/users/track", {"attributes": [{"external_id": "a"}]}), 403)
    assert not Profile.objects.exists()


def test_a_body_of_another_shape_names_the_field(api):
    body = assert_json(
        api.post("/users/track", {"attributes": {"external_id": "max@example.org"}}), 400
    )
    assert body["errors"][0]["field"] == "attributes"
    body = assert_json(api.get("/canvas/list", {"page": "x"}), 400)
    assert body["errors"][0]["field"] == "page"


def test_messages_for_programs_are_english_whatever_the_reader_speaks(api):
    bodies = ({}, {"attributes": 1}, {"attributes": [{"email": "x"}]})
    for body in bodies:
        english, german = (
            api.post("/users/track", body, Accept_Language=one).json() for one in ("en", "de")
        )
        assert (german["message"], german["errors"]) == (english["message"], english["errors"])


@pytest.mark.parametrize("address", ["//users/track", "///users///track", "/users//track"])
def test_doubled_slashes_in_an_address_are_one(api, address):
    assert (
        api.http.generic(
            "POST",
            address,
            b'{"attributes":[{"external_id":"a"}]}',
            content_type="application/json",
            headers={"Authorization": f"Bearer {api.key}"},
            PATH_INFO=address,
        ).status_code
        == 201
    )
    assert Profile.objects.exists()


def test_doubled_slashes_of_a_page_are_left_alone(db):
    assert Client().get("/accounts//login/", PATH_INFO="/accounts//login/").status_code == 404
