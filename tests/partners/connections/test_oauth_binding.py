"""An authorisation is bound to one browser session, one user and one app group."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership, Role
from partners.models import Connection, OAuthState
from tiktok_sandbox.seed import EU, JONAS

pytestmark = pytest.mark.thorough


@pytest.fixture
def charlies(journey, charlie, other_group):
    return journey(charlie, other_group)


def test_a_victim_cannot_open_the_callback_of_an_attacker(alices, charlies, nothing_stored):
    attackers = alices.confirm(alices.start(), user=JONAS)
    assert charlies.come_back(attackers).status_code == 400
    nothing_stored()


def test_another_admin_cannot_open_the_callback(
    alices, journey, acme, other_group, charlie, nothing_stored
):
    Membership.objects.create(app_group=acme, user=charlie, role=Role.ADMIN)
    attackers = alices.confirm(alices.start(), user=JONAS)
    assert journey(charlie).come_back(attackers).status_code == 400
    nothing_stored()


def test_another_session_of_the_user_cannot_open_the_callback(
    alices, journey, alice, nothing_stored
):
    address = alices.confirm(alices.start())
    assert journey(alice).come_back(address).status_code == 400
    nothing_stored()
    assert alices.come_back(address).status_code == 302


def test_another_session_with_its_own_state_cannot_open_the_callback(
    alices, journey, alice, nothing_stored
):
    address, other = alices.confirm(alices.start()), journey(alice)
    other.start()
    assert other.come_back(address).status_code == 400
    nothing_stored()


def test_the_offer_is_bound_to_the_session(alices, journey, alice, acme):
    page = alices.authorise()
    assert journey(alice).client.get(page).status_code == 404
    assert journey(alice).client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert alices.client.get(page).status_code == 200
    assert not Connection.objects.exists()


def test_the_offer_is_bound_to_the_user(alices, journey, acme, charlie, other_group):
    Membership.objects.create(app_group=acme, user=charlie, role=Role.ADMIN)
    page = alices.authorise()
    assert journey(charlie).client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert not Connection.objects.exists()


def test_the_offer_is_bound_to_the_group(alices, alice):
    second = AppGroup.objects.create(name="Second", slug="second")
    Membership.objects.create(app_group=second, user=alice, role=Role.ADMIN)
    page = alices.authorise().replace("/g/acme/", "/g/second/")
    assert alices.client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert not Connection.objects.exists()


def test_the_offer_expires_after_an_hour(alices):
    page = alices.authorise()
    OAuthState.objects.update(used_at=timezone.now() - timedelta(hours=1, seconds=1))
    answer = alices.client.post(page, {"ad_accounts": [EU]})
    assert answer.status_code == 400
    assert "More than an hour has passed" in answer.content.decode()
    assert not Connection.objects.exists()


def test_expired_offers_are_deleted_with_their_tokens(alices):
    alices.authorise()
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=2))
    alices.start()
    assert not OAuthState.objects.exclude(token_sealed="").exists()


def test_the_callback_redirects_to_this_site_only(alices, settings):
    address = (
        alices.confirm(alices.start())
        + "&next=https://evil.example/&redirect_uri=https://evil.example/"
    )
    assert alices.come_back(address)["Location"].startswith("/g/acme/partners/tiktok/choose/")
    assert settings.SITE_URL in alices.start().replace("%3A", ":").replace("%2F", "/")


def test_only_the_hash_of_a_state_is_stored(alices):
    state = alices.start().split("state=")[1].split("&")[0]
    row = OAuthState.objects.get()
    assert len(state) >= 43
    assert state not in str(vars(row))
    assert alices.client.session.session_key not in str(vars(row))


@pytest.mark.django_db(transaction=True)
def test_concurrent_callbacks_exchange_the_code_once(alices, sandbox):
    address = alices.confirm(alices.start())

    def visit(_):
        try:
            return alices.come_back(address).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(visit, range(4)))
    assert statuses == [302, 400, 400, 400]
    assert len([call for call in sandbox.log.all() if call.endpoint == "oauth2/access_token"]) == 1
    assert OAuthState.objects.exclude(token_sealed="").count() == 1
