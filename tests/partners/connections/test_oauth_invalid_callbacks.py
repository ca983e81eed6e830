"""An invalid callback is explained on a page that leads back, and nothing is stored."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Membership, Role
from partners.models import OAuthState
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough

CALLBACK = "/oauth/tiktok/callback/"


def assert_explained(answer, words, *, back="/g/acme/partners/tiktok/"):
    text = answer.content.decode()
    assert answer.status_code == 400
    assert words in text
    assert f'href="{back}"' in text
    assert answer["Referrer-Policy"] == "no-referrer"
    assert answer["Cache-Control"] == "no-store"


@pytest.fixture
def address(alice_flow):
    """The callback URL of alice's authorisation."""
    return alice_flow.confirm(alice_flow.start())


def test_a_missing_state_is_rejected(alice_flow, address, nothing_stored):
    assert_explained(
        alice_flow.come_back(f"{CALLBACK}?auth_code=x"),
        "does not belong to a connection that you started",
    )
    nothing_stored()


@pytest.mark.parametrize("state", ["x", "a" * 43, "a" * 10_000, "%0a", "%00", "%F0%9F%8E%89"])
def test_an_unknown_state_is_rejected(alice_flow, address, nothing_stored, state):
    answer = alice_flow.come_back(f"{CALLBACK}?auth_code=x&state={state}")
    assert_explained(answer, "does not belong to a connection that you started")
    nothing_stored()


def test_two_states_are_rejected(alice_flow, address, nothing_stored):
    answer = alice_flow.come_back(f"{address}&state=other")
    assert_explained(answer, "does not belong to a connection that you started")
    nothing_stored()


def test_a_used_state_is_rejected(alice_flow, address, sandbox):
    assert alice_flow.come_back(address).status_code == 302
    answer = alice_flow.come_back(address)
    assert_explained(answer, "was used already")
    assert "/partners/tiktok/choose/" in answer.content.decode()
    assert len([call for call in sandbox.log.all() if call.endpoint == "oauth2/access_token"]) == 1


def test_a_used_state_after_the_choice_is_rejected(alice_flow, address, sandbox):
    alice_flow.client.post(alice_flow.come_back(address)["Location"], {"ad_accounts": [EU]})
    answer = alice_flow.come_back(address)
    assert_explained(answer, "was used already")
    assert "/partners/tiktok/choose/" not in answer.content.decode()


def test_an_expired_state_is_rejected(alice_flow, address, nothing_stored):
    OAuthState.objects.update(created_at=timezone.now() - timedelta(minutes=10, seconds=1))
    assert_explained(alice_flow.come_back(address), "too old")
    nothing_stored()


def test_a_state_is_valid_for_nearly_ten_minutes(alice_flow, address):
    OAuthState.objects.update(created_at=timezone.now() - timedelta(minutes=9, seconds=50))
    assert alice_flow.come_back(address).status_code == 302


def test_a_cancelled_authorisation_is_explained(alice_flow, nothing_stored):
    address = alice_flow.confirm(alice_flow.start(), cancel="1")
    assert_explained(alice_flow.come_back(address), "You cancelled at TikTok")
    nothing_stored()
    assert_explained(alice_flow.come_back(address), "was used already")


@pytest.mark.parametrize(
    "code", ["a" * 513, "a" * 10_240, "a%0ab", "a%00b", "a%20b", "%F0%9F%8E%89", "a&auth_code=b"]
)
def test_a_malformed_code_is_rejected(alice_flow, sandbox, nothing_stored, code):
    state = alice_flow.start().split("state=")[1].split("&")[0]
    answer = alice_flow.come_back(f"{CALLBACK}?auth_code={code}&state={state}")
    assert_explained(answer, "a confirmation that we cannot read")
    nothing_stored()
    assert sandbox.log.all() == []


def test_an_unknown_code_is_rejected(alice_flow, address, nothing_stored):
    answer = alice_flow.come_back(address.replace("auth_code=", "auth_code=0"))
    assert_explained(answer, "TikTok refused the confirmation (code 40101)")
    nothing_stored()


def test_a_code_used_elsewhere_is_rejected(alice_flow, address, sandbox, nothing_stored):
    sandbox.faults.set("code", endpoint="oauth2/access_token", code=40110)
    assert_explained(alice_flow.come_back(address), "was used already or is too old")
    nothing_stored()


@pytest.mark.parametrize("kind", ["drop", "http_error", "not_json", "throttle", "empty"])
@pytest.mark.parametrize(
    "endpoint", ["oauth2/access_token", "user/info", "oauth2/advertiser/get", "advertiser/info"]
)
def test_a_failing_tiktok_is_explained(
    alice_flow, address, sandbox, nothing_stored, kind, endpoint
):
    sandbox.faults.set(kind, endpoint=endpoint)
    assert_explained(alice_flow.come_back(address), "cannot be reached or has a problem")
    nothing_stored()


def test_an_unreachable_tiktok_is_explained(alice_flow, address, settings, nothing_stored):
    settings.TIKTOK_API_URL = "http://127.0.0.1:9"
    assert_explained(alice_flow.come_back(address), "cannot be reached or has a problem")
    nothing_stored()


@pytest.mark.parametrize(
    ("scope", "missing"), [(["1"], "Audience Management"), (["3"], "Ad Account Management")]
)
def test_a_missing_permission_is_named(alice_flow, sandbox, nothing_stored, scope, missing):
    answer = alice_flow.come_back(alice_flow.confirm(alice_flow.start(), scope=scope))
    assert_explained(answer, f"did not grant what syncing needs: {missing}.")
    nothing_stored()
    assert sandbox.store.all("SELECT count(*) FROM token WHERE revoked_at IS NULL") == [(0,)]


def test_a_user_without_ad_accounts_is_rejected(alice_flow, address, sandbox, nothing_stored):
    for advertiser in sandbox.accounts.advertisers():
        sandbox.accounts.set_dropped(True, advertiser_id=advertiser.id)
    assert_explained(alice_flow.come_back(address), "reaches no ad account")
    nothing_stored()


@pytest.mark.parametrize("method", ["post", "put", "delete", "head"])
def test_methods_other_than_get_are_rejected(alice_flow, address, nothing_stored, method):
    answer = getattr(alice_flow.client, method)(address)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET"
    nothing_stored()
    assert alice_flow.come_back(address).status_code == 302


def test_an_anonymous_callback_is_rejected(address, nothing_stored):
    answer = Client().get(address)
    assert_explained(answer, "You are not signed in", back=reverse("account_login"))
    nothing_stored()


def test_a_former_admin_is_rejected(alice_flow, address, alice, nothing_stored):
    Membership.objects.filter(user=alice).update(role=Role.MARKETER)
    assert_explained(alice_flow.come_back(address), "Only admins of the app group can connect")
    nothing_stored()


def test_an_unknown_partner_is_404(alice_flow):
    assert alice_flow.client.get("/oauth/myspace/callback/").status_code == 404
