"""An authorisation is bound to one browser session, one user and one app group."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership, Role
from partners.models import Connection, OAuthState
from tiktok_sandbox.seed import EU, JONAS

pytestmark = pytest.mark.thorough


@pytest.fixture
def charlies(flow_of, charlie, other_group):
    return flow_of(charlie, other_group)


def test_a_victim_cannot_open_the_callback_of_an_attacker(alice_flow, charlies, nothing_stored):
    attackers = alice_flow.confirm(alice_flow.start(), user=JONAS)
    assert charlies.come_back(attackers).status_code == 400
    nothing_stored()


def test_another_admin_cannot_open_the_callback(
    alice_flow, flow_of, acme, other_group, charlie, nothing_stored
):
    Membership.objects.create(app_group=acme, user=charlie, role=Role.ADMIN)
    attackers = alice_flow.confirm(alice_flow.start(), user=JONAS)
    assert flow_of(charlie).come_back(attackers).status_code == 400
    nothing_stored()


def test_another_session_of_the_user_cannot_open_the_callback(
    alice_flow, flow_of, alice, nothing_stored
):
    address = alice_flow.confirm(alice_flow.start())
    assert flow_of(alice).come_back(address).status_code == 400
    nothing_stored()
    assert alice_flow.come_back(address).status_code == 302


def test_another_session_with_its_own_state_cannot_open_the_callback(
    alice_flow, flow_of, alice, nothing_stored
):
    address, other = alice_flow.confirm(alice_flow.start()), flow_of(alice)
    other.start()
    assert other.come_back(address).status_code == 400
    nothing_stored()


def test_the_offer_is_bound_to_the_session(alice_flow, flow_of, alice, acme):
    page = alice_flow.authorise()
    assert flow_of(alice).client.get(page).status_code == 404
    assert flow_of(alice).client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert alice_flow.client.get(page).status_code == 200
    assert not Connection.objects.exists()


def test_the_offer_is_bound_to_the_user(alice_flow, flow_of, acme, charlie, other_group):
    Membership.objects.create(app_group=acme, user=charlie, role=Role.ADMIN)
    page = alice_flow.authorise()
    assert flow_of(charlie).client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert not Connection.objects.exists()


def test_the_offer_is_bound_to_the_group(alice_flow, alice):
    second = AppGroup.objects.create(name="Second", slug="second")
    Membership.objects.create(app_group=second, user=alice, role=Role.ADMIN)
    page = alice_flow.authorise().replace("/g/acme/", "/g/second/")
    assert alice_flow.client.post(page, {"ad_accounts": [EU]}).status_code == 404
    assert not Connection.objects.exists()


def test_the_offer_expires_after_an_hour(alice_flow):
    page = alice_flow.authorise()
    OAuthState.objects.update(used_at=timezone.now() - timedelta(hours=1, seconds=1))
    answer = alice_flow.client.post(page, {"ad_accounts": [EU]})
    assert answer.status_code == 400
    assert "More than an hour has passed" in answer.content.decode()
    assert not Connection.objects.exists()


def test_expired_offers_are_deleted_with_their_tokens(alice_flow):
    alice_flow.authorise()
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=2))
    alice_flow.start()
    assert not OAuthState.objects.exclude(token_sealed="").exists()


def test_the_callback_redirects_to_this_site_only(alice_flow, settings):
    address = (
        alice_flow.confirm(alice_flow.start())
        + "&next=https://evil.example/&redirect_uri=https://evil.example/"
    )
    assert alice_flow.come_back(address)["Location"].startswith("/g/acme/partners/tiktok/choose/")
    assert settings.SITE_URL in alice_flow.start().replace("%3A", ":").replace("%2F", "/")


def test_only_the_hash_of_a_state_is_stored(alice_flow):
    state = alice_flow.start().split("state=")[1].split("&")[0]
    row = OAuthState.objects.get()
    assert len(state) >= 43
    assert state not in str(vars(row))
    assert alice_flow.client.session.session_key not in str(vars(row))


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_concurrent_callbacks_exchange_the_code_once(alice_flow, sandbox):
    address = alice_flow.confirm(alice_flow.start())

    def visit(_):
        try:
            return alice_flow.come_back(address).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(visit, range(4)))
    assert statuses == [302, 400, 400, 400]
    assert len([call for call in sandbox.log.all() if call.endpoint == "oauth2/access_token"]) == 1
    assert OAuthState.objects.exclude(token_sealed="").count() == 1


def test_the_second_of_two_visits_at_once_says_that_the_first_counts(alice_flow):
    address = alice_flow.confirm(alice_flow.start())

    def use_up_before(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and '"used_at"' in sql:  # just before this visit claims it
            execute(sql, params, many, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(use_up_before):
        page = alice_flow.come_back(address).content.decode()
    assert "was used already" in page
