"""Every answer, also an error, carries the headers that keep other people's scripts out."""

import pytest
from django.test import Client, override_settings
from django.urls import path


def crash(request):
    raise ValueError("alice@example.org")


urlpatterns = [path("crash/", crash)]
handler500 = "audiencesync.core.error_pages.server_error"


def assert_guarded(answer):
    policy = answer["Content-Security-Policy"]
    for directive in (
        "default-src 'self'",
        "script-src 'self'",
        "style-src 'self'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "address",
    ["/accounts/login/", "/accounts/signup/", "/invitation/x/", "/nowhere/", "/g/acme/members/"],
)
def test_pages_of_visitors_are_guarded(db, address):
    assert_guarded(Client().get(address))


@pytest.mark.parametrize(
    "address",
    [
        "/groups/",
        "/g/acme/members/",
        "/g/acme/activity/",
        "/g/acme/settings/",
        "/g/umbrella/members/",
    ],
)
def test_pages_of_members_are_guarded(alice, other_group, signed_in, address):
    assert_guarded(signed_in(alice).get(address))


def test_a_refused_form_is_guarded(db):
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/")
    assert answer.status_code == 403
    assert_guarded(answer)


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_is_guarded_and_tells_no_secrets(db):
    answer = Client(raise_request_exception=False).get("/crash/")
    assert answer.status_code == 500
    assert_guarded(answer)
    assert "alice@example.org" not in answer.content.decode()


def test_the_session_cookie_is_out_of_reach_of_scripts(alice, signed_in):
    client = Client()
    client.post(
        "/accounts/login/", {"login": "alice@example.org", "password": "correct horse battery"}
    )
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_forms_may_lead_to_the_partner_only(db, settings):
    policy = Client().get("/accounts/login/")["Content-Security-Policy"]
    assert "form-action 'self' https://business-api.tiktok.com" in policy.split(
        "; "
    )  # in any order
