"""Error pages explain the error, link home, and need neither database nor session."""

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from django.test import Client, override_settings
from django.urls import include, path
from redis import RedisError

from audiencesync.core.web import error_pages


def raising(error):
    def view(request):
        raise error

    return view


urlpatterns = [
    path("400/", raising(SuspiciousOperation("inside"))),
    path("403/", raising(PermissionDenied("inside"))),
    path("404/", raising(Http404("inside"))),
    path("500/", raising(ValueError("inside"))),
    path("503/", raising(OperationalError("inside"))),
    path("503-cache/", raising(RedisError("inside"))),
    path("accounts/", include("allauth.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
]
handler400, handler403, handler404, handler500 = (
    f"audiencesync.core.web.error_pages.{name}"
    for name in ("bad_request", "permission_denied", "page_not_found", "server_error")
)


@pytest.mark.parametrize("kind", ["400", "403", "404", "500", "503", "503-cache"])
@override_settings(ROOT_URLCONF=__name__)
def test_an_error_page_explains_and_links_home(kind):
    # Without the `db` fixture a query would fail the test.
    answer = Client(raise_request_exception=False).get(f"/{kind}/")
    page = answer.content.decode()
    assert answer.status_code == int(kind[:3])
    assert "<h1" in page
    assert 'href="/"' in page
    assert "inside" not in page


@override_settings(ROOT_URLCONF=__name__)
def test_a_lost_database_gives_a_retry_after():
    assert Client(raise_request_exception=False).get("/503/")["Retry-After"] == "60"


def test_a_form_without_its_csrf_token_is_explained(rf):
    answer = error_pages.csrf_failure(rf.post("/"), reason="inside")
    assert answer.status_code == 403
    assert "out of date" in answer.content.decode()
    assert "inside" not in answer.content.decode()


def test_too_many_attempts_are_explained(db):
    client = Client()
    for _attempt in range(40):
        answer = client.post("/accounts/password/reset/", {"email": "alice@example.org"})
    assert answer.status_code == 429
    assert "Too many attempts" in answer.content.decode()


def test_guessing_a_password_is_stopped(alice):
    client = Client()
    for _attempt in range(12):
        page = client.post(
            "/accounts/login/", {"login": "alice@example.org", "password": "wrong"}
        ).content.decode()
    assert "Too many" in page
