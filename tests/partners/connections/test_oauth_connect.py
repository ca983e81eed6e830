"""An admin connects TikTok and chooses ad accounts."""

import pytest

from audiencesync.groups.models import Activity
from partners.models import OAuthState
from tiktok_sandbox.seed import EU, MARA, UK

pytestmark = pytest.mark.thorough


def test_the_page_offers_the_ad_accounts_of_the_tiktok_user(alice_flow):
    page = alice_flow.client.get(alice_flow.authorise())
    assert page.status_code == 200
    assert [one.name for one, _ticked in page.context["rows"]] == [
        "Acme EU",
        "Acme UK",
        "Acme US Brand",
        "Acme Outlet",
    ]
    for fact in ("Acme UK", UK, "GBP", "Europe/London", "Active", "Limited by TikTok"):
        assert fact in page.content.decode()


def test_chosen_ad_accounts_are_connected(alice_flow):
    page = alice_flow.client.get(alice_flow.connect(EU, UK)["Location"])
    assert "Connected 2 ad accounts" in page.content.decode()
    connection = alice_flow.connection()
    assert connection.remote_user_id == MARA
    assert connection.connected_by.email == "alice@example.org"
    assert {account.remote_id for account in connection.ad_accounts.filter(is_chosen=True)} == {
        EU,
        UK,
    }


def test_the_token_is_sealed_and_its_copy_in_the_offer_deleted(alice_flow, sandbox):
    alice_flow.connect(EU)
    connection = alice_flow.connection()
    assert sandbox.accounts.token(connection.token)
    assert connection.token not in connection.token_sealed
    state = OAuthState.objects.get()
    assert (state.token_sealed, state.offer) == ("", {})
    assert state.chosen_at


def test_the_partner_page_shows_the_connection(alice_flow):
    alice_flow.connect(EU)
    page = alice_flow.client.get(alice_flow.url("partner")).content.decode()
    for fact in (
        "Connected since",
        "UTC",
        "alice@example.org",
        "Mara Lindner",
        "m***r@acme.example",
        "Acme EU",
        EU,
        "5 of 400",
    ):
        assert fact in page
    assert "Acme UK" not in page


def test_a_connection_is_in_the_activity_log(alice_flow):
    alice_flow.connect(EU, UK)
    line = Activity.objects.get(verb="connected")
    assert (line.actor.email, line.subject) == ("alice@example.org", "TikTok: Acme EU, Acme UK")


def test_an_empty_choice_is_rejected(alice_flow, nothing_stored):
    page = alice_flow.authorise()
    answer = alice_flow.client.post(page, {})
    assert answer.status_code == 422
    assert "Choose at least one ad account." in answer.content.decode()
    assert alice_flow.client.post(page, {"ad_accounts": [EU]}).status_code == 302


def test_an_ad_account_that_was_not_offered_is_rejected(alice_flow):
    assert (
        alice_flow.client.post(
            alice_flow.authorise(), {"ad_accounts": ["7012345678901234999"]}
        ).status_code
        == 422
    )


def test_a_choice_works_once(alice_flow):
    page = alice_flow.authorise()
    assert alice_flow.client.post(page, {"ad_accounts": [EU]}).status_code == 302
    again = alice_flow.client.post(page, {"ad_accounts": [UK]}, follow=True)
    assert "already been saved" in again.content.decode()
    assert [account.remote_id for account in alice_flow.connection().ad_accounts.all()] == [EU]


def test_a_search_keeps_the_selection(alice_flow):
    page = alice_flow.authorise()
    answer = alice_flow.client.post(page, {"act": "search", "q": "uk", "ad_accounts": [EU]})
    assert [(one.id, ticked) for one, ticked in answer.context["rows"]] == [(UK, False)]
    assert answer.context["hidden"] == [EU]
    ticked = alice_flow.client.post(page, {"act": "all", "q": "uk", "ad_accounts": [EU]})
    assert [(one.id, is_ticked) for one, is_ticked in ticked.context["rows"]] == [(UK, True)]


def test_the_search_term_may_be_in_the_url(alice_flow):
    page = alice_flow.client.get(alice_flow.authorise() + "?q=outlet")
    assert [one.name for one, _ticked in page.context["rows"]] == ["Acme Outlet"]
