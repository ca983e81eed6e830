"""End an unused session, not counting background requests; require a second factor of staff."""

import time

import pytest
import time_machine
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.sessions.models import Session

from audiencesync.core import checks

STAFF_PAGES = ["/analytics/", "/analytics/?format=csv", "/staff/groups/"]


def is_in(client, minutes, **headers):
    with time_machine.travel(time.time() + 60 * minutes, tick=False):
        return client.get("/groups/", headers=headers).status_code == 200


def test_an_unused_session_ends_with_a_message(alice, signed_in, settings):
    settings.SESSION_IDLE_MINUTES = 30
    client = signed_in(alice)
    assert [is_in(client, minutes) for minutes in (0, 29, 58, 87, 118)] == [
        True,
        True,
        True,
        True,
        False,
    ]
    assert "was not used for a while" in client.get("/accounts/login/").content.decode()
    assert not Session.objects.filter(
        session_key=client.session.session_key, session_data__contains="user"
    ).exists()


def test_background_requests_do_not_keep_a_session(alice, signed_in, settings):
    settings.SESSION_IDLE_MINUTES = 30
    client, live = signed_in(alice), {"HX-Request": "true", "X-Background": "1"}
    assert [is_in(client, minutes, **live) for minutes in (0, 15, 29, 31)] == [
        True,
        True,
        True,
        False,
    ]
    assert not is_in(client, 0)


def test_clicks_that_replace_a_part_of_a_page_keep_a_session(alice, signed_in, settings):
    settings.SESSION_IDLE_MINUTES = 30
    client, click = signed_in(alice), {"HX-Request": "true"}
    assert [is_in(client, minutes, **click) for minutes in (0, 29, 58, 87)] == [True] * 4


def test_a_session_lasts_without_the_setting(alice, signed_in):
    client = signed_in(alice)
    assert is_in(client, 0)
    assert is_in(client, 13 * 24 * 60)


@pytest.fixture
def staff(alice, settings):
    settings.STAFF_REQUIRE_SECOND_FACTOR = True
    alice.is_staff = True
    alice.save()
    return alice


@pytest.mark.parametrize("path", STAFF_PAGES)
def test_pages_of_staff_require_a_second_factor(staff, signed_in, path):
    client = signed_in(staff)
    assert client.get(path)["Location"] == "/accounts/2fa/"
    assert "Set up a second factor first" in client.get("/accounts/2fa/").content.decode()
    TOTP.activate(staff, generate_totp_secret())
    assert client.get(path).status_code == 200


def test_staff_change_nothing_without_a_second_factor(staff, signed_in, acme):
    answer = signed_in(staff).post("/staff/groups/g/acme/archive/")
    assert answer["Location"] == "/accounts/2fa/"
    acme.refresh_from_db()
    assert acme.archived_at is None


def test_other_users_are_not_asked_for_a_second_factor(bob, signed_in, settings):
    settings.STAFF_REQUIRE_SECOND_FACTOR = True
    assert signed_in(bob).get("/analytics/").status_code == 403
    assert signed_in(bob).get("/g/acme/analytics/").status_code == 200


def test_the_deploy_check_warns_without_a_required_second_factor(settings):
    assert [message.id for message in checks.staff_second_factor(None)] == ["audiencesync.W005"]
    settings.STAFF_REQUIRE_SECOND_FACTOR = True
    assert checks.staff_second_factor(None) == []
