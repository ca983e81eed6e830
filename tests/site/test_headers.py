"""Every answer, including errors, has the security headers."""

import pytest
from django.test import Client, override_settings
from django.urls import path

from partners import registry


def crash(request):
    raise ValueError("alice@example.org")


urlpatterns = [path("crash/", crash)]
handler500 = "audiencesync.core.web.error_pages.server_error"


def assert_secure(answer):
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
def test_pages_of_visitors_are_secure(db, address):
    assert_secure(Client().get(address))


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
def test_pages_of_members_are_secure(alice, other_group, signed_in, address):
    assert_secure(signed_in(alice).get(address))


def test_a_refused_form_is_secure(db):
    answer = Client(enforce_csrf_checks=True).post("/accounts/login/")
    assert answer.status_code == 403
    assert_secure(answer)


@override_settings(ROOT_URLCONF=__name__)
def test_a_crash_is_secure_and_shows_no_details(db):
    answer = Client(raise_request_exception=False).get("/crash/")
    assert answer.status_code == 500
    assert_secure(answer)
    assert "alice@example.org" not in answer.content.decode()


def test_the_session_cookie_is_hidden_from_scripts(alice):
    client = Client()
    client.post(
        "/accounts/login/", {"login": "alice@example.org", "password": "correct horse battery"}
    )
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_forms_may_lead_to_the_partners_only(db):
    policy = Client().get("/accounts/login/")["Content-Security-Policy"]
    # the order of directives is not fixed
    hosts = [partner.form_action for partner in registry.PARTNERS]
    assert " ".join(["form-action 'self'", *hosts]) in policy.split("; ")
