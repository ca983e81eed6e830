"""Every error under the API's paths is JSON, and a failed call leaves nothing half done."""

import pytest
from django.db import OperationalError
from django.test import Client, override_settings
from django.urls import path

from audiencesync.api import api as rest
from audiencesync.people.models import Profile


def crash(request):
    raise ValueError("max@example.org")


def without_database(request):
    raise OperationalError("max@example.org")


urlpatterns = [path("users/crash", crash), path("users/unavailable", without_database)]
handler500 = "audiencesync.core.web.error_pages.server_error"


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
def test_an_unknown_path_is_404(db, address):
    assert_json(Client().get(address), 404)
    assert_json(Client().post(address), 404)


UNKNOWN_PATHS = [
    "/campaigns/trigger/schedule/create",
    "/messages/send",
    "/email/status",
    "/Users/track",
    "/nothing",
]


@pytest.mark.parametrize("address", UNKNOWN_PATHS)
def test_a_braze_path_that_is_not_offered_is_named(db, address):
    assert_unknown_path(Client().post(address, {}, content_type="application/json"))
    assert_unknown_path(Client().get(address, headers={"Authorization": "Bearer x"}))
    assert_unknown_path(Client().get(address, headers={"Accept": "application/json"}))
    headers = {"Accept": "application/json", "Accept-Language": "de"}
    message = Client().get(address, headers=headers).json()["message"]
    is_of_braze = address not in ("/Users/track", "/nothing")
    assert message.startswith("There is no such address")
    assert ("Braze call that AudienceSync does not offer" in message) == is_of_braze


def assert_unknown_path(answer):
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/json")
    assert set(answer.json()) == {"message", "errors", "request_id"}


def test_a_browser_gets_a_page(db):
    answer = Client().get("/email/status", headers={"Accept": "text/html,application/json"})
    assert (answer.status_code, answer["Content-Type"]) == (404, "text/html; charset=utf-8")


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch", "options"])
def test_a_wrong_method_is_405(api, method):
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
def test_a_wrong_content_type_is_415(api, kind):
    assert_json(
        api.post("/users/track", b'{"attributes":[{"external_id":"a"}]}', content_type=kind), 415
    )
    assert not Profile.objects.exists()


def test_a_compressed_body_is_415(api):
    assert_json(api.post("/users/track", {}, Content_Encoding="gzip"), 415)


def test_a_body_above_the_limit_is_413(api, settings):
    answer = api.post("/users/track", b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))
    assert str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE) in assert_json(answer, 413)["message"]


def test_an_endless_length_is_413(api):
    assert_json(api.post("/users/track", {}, Content_Length="9" * 5000), 413)


def test_more_objects_than_the_limit_are_refused(api, settings):
    for name in ("attributes", "events", "purchases"):
        body = {
            "attributes": [{"external_id": "a"}],
            name: [{"external_id": str(n)} for n in range(76)],
        }
        assert "75" in assert_json(api.post("/users/track", body), 400)["message"]
    assert not Profile.objects.exists()
    settings.API_MAX_OBJECTS = 76
    assert api.post("/users/track", {"attributes": body["purchases"]}).status_code == 201


def test_75_objects_in_each_list_are_accepted(api):
    when = {"time": "2026-11-01T10:00:00Z"}
    people = [{"external_id": str(n)} for n in range(75)]
    purchase = {"product_id": 7, "currency": "EUR", "price": 1} | when
    answer = api.track(
        attributes=people,
        events=[person | when | {"name": "cart"} for person in people],
        purchases=[person | purchase for person in people],
    )
    counts = {"attributes_processed": 75, "events_processed": 75, "purchases_processed": 75}
    assert answer == {"message": "success"} | counts


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_is_500_and_a_lost_database_503(db):
    client = Client(raise_request_exception=False)
    assert_json(client.get("/users/crash"), 500)
    unavailable = client.get("/users/unavailable")
    assert_json(unavailable, 503)
    assert unavailable["Retry-After"] == "60"


@pytest.mark.parametrize(
    "path", sorted({path.split("/")[1] for path in rest.get_openapi_schema()["paths"]})
)
def test_no_path_of_the_api_redirects_a_call_over_http(api, settings, path):
    settings.SECURE_SSL_REDIRECT = True
    for address in (f"/{path}", f"/{path}/list"):
        assert_json(api.get(address), 403)


def test_a_call_over_http_is_refused(api, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert_json(api.post("/users/track", {"attributes": [{"external_id": "a"}]}), 403)
    assert not Profile.objects.exists()


def test_a_body_of_a_wrong_shape_names_the_field(api):
    body = assert_json(
        api.post("/users/track", {"attributes": {"external_id": "max@example.org"}}), 400
    )
    assert body["errors"][0]["field"] == "attributes"
    body = assert_json(api.get("/canvas/list", {"page": "x"}), 400)
    assert body["errors"][0]["field"] == "page"


def test_messages_are_english_in_every_language(api):
    bodies = ({}, {"attributes": 1}, {"attributes": [{"email": "x"}]})
    for body in bodies:
        english, german = (
            api.post("/users/track", body, Accept_Language=one).json() for one in ("en", "de")
        )
        assert (german["message"], german["errors"]) == (english["message"], english["errors"])


@pytest.mark.parametrize("address", ["//users/track", "///users///track", "/users//track"])
def test_doubled_slashes_in_a_path_are_one(api, address):
    answer = api.http.generic(
        "POST",
        address,
        b'{"attributes":[{"external_id":"a"}]}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {api.key}"},
        PATH_INFO=address,
    )
    assert answer.status_code == 201
    assert Profile.objects.exists()


def test_doubled_slashes_of_a_page_are_kept(db):
    assert Client().get("/accounts//login/", PATH_INFO="/accounts//login/").status_code == 404
