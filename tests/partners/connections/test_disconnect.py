"""A disconnect names the affected steps first and asks what becomes of pending people."""

import re

import pytest

from audiencesync.core import crypto
from audiencesync.groups.models import Activity
from partners.models import SpentToken, Tally
from tiktok_sandbox.seed import EU, UK

pytestmark = pytest.mark.thorough


@pytest.fixture
def connection(alice_flow):
    alice_flow.connect(EU, UK)
    return alice_flow.connection()


@pytest.fixture
def audience(connection):
    return connection.ad_accounts.get(remote_id=EU).audiences.get(name="Newsletter readers")


@pytest.fixture
def one_account(alice_flow, audience):
    return alice_flow.url("disconnect_ad_account", audience.ad_account_id)


def counts(step):
    return {name: n for name, n in Tally.objects.get(pk=step.pk).as_dict().items() if n}


def test_the_question_names_live_steps_and_pending_people(
    alice_flow, audience, live_sync, one_account
):
    live_sync(audience, 3)
    live_sync(audience, 0, label="Quiet / Step 1", is_live=False)
    for url in (alice_flow.url("disconnect_partner"), one_account):
        page = alice_flow.client.get(url).content.decode()
        assert "Winback / Step 2" in page
        assert "3 people wait" in page
        assert "Quiet / Step 1" not in page
        assert 'type="radio"' in page
        assert "checked" not in page


def test_the_question_names_canvas_and_audience_and_lists_pending_first(
    alice_flow, audience, live_sync, one_account
):
    live_sync(audience, 0, label=f"A first: {audience.name}")
    live_sync(audience, 3, label=f"B second: {audience.name}")
    page = alice_flow.client.get(one_account).content.decode()
    named = rf"<bdi>B second</bdi></a>,\s+audience “<bdi>{audience.name}</bdi>”"
    assert re.search(named, page)
    assert page.index("B second") < page.index("A first")


def test_the_question_says_that_no_step_is_affected(alice_flow, connection):
    page = alice_flow.client.get(alice_flow.url("disconnect_partner")).content.decode()
    assert "No live canvas uses it, and no one is waiting." in page
    assert 'type="radio"' not in page


def test_the_question_changes_nothing(alice_flow, connection):
    alice_flow.client.get(alice_flow.url("disconnect_partner"))
    connection.refresh_from_db()
    assert connection.is_connected


@pytest.mark.parametrize("answer", [{}, {"people": ""}, {"people": "eat"}])
def test_a_disconnect_without_a_choice_is_rejected(alice_flow, audience, live_sync, answer):
    step = live_sync(audience, 2)
    page = alice_flow.client.post(alice_flow.url("disconnect_partner"), answer)
    assert page.status_code == 422
    assert alice_flow.connection().is_connected
    assert counts(step) == {"entered": 2, "pending": 2}


def test_pending_people_wait_for_a_reconnect(alice_flow, audience, live_sync, sandbox):
    step, token = live_sync(audience, 2), alice_flow.connection().token
    page = alice_flow.client.post(
        alice_flow.url("disconnect_partner"), {"people": "wait"}, follow=True
    )
    assert "TikTok is disconnected." in page.content.decode()
    connection = alice_flow.connection()
    assert (connection.token_sealed, connection.ad_accounts.filter(is_chosen=True).count()) == (
        "",
        0,
    )
    assert connection.disconnected_at
    assert sandbox.accounts.token(token) is None
    assert counts(step) == {"entered": 2, "pending": 2}


def test_pending_people_are_discarded(alice_flow, audience, live_sync):
    step = live_sync(audience, 2)
    page = alice_flow.client.post(
        alice_flow.url("disconnect_partner"), {"people": "discard"}, follow=True
    )
    assert "2 people were discarded." in page.content.decode()
    assert counts(step) == {"entered": 2, "cancelled": 2}


def test_disconnecting_one_ad_account_keeps_the_others(
    alice_flow, audience, live_sync, one_account, sandbox
):
    step = live_sync(audience, 2)
    other = live_sync(
        alice_flow.connection()
        .ad_accounts.get(remote_id=UK)
        .audiences.get(name="Newsletter readers"),
        1,
    )
    assert alice_flow.client.post(one_account, {"people": "discard"}).status_code == 302
    connection = alice_flow.connection()
    assert [account.remote_id for account in connection.ad_accounts.filter(is_chosen=True)] == [UK]
    assert sandbox.accounts.token(connection.token)
    assert (counts(step), counts(other)) == (
        {"entered": 2, "cancelled": 2},
        {"entered": 1, "pending": 1},
    )


def test_a_connection_without_ad_accounts_needs_attention(alice_flow, connection):
    for ad_account in connection.ad_accounts.all():
        alice_flow.client.post(alice_flow.url("disconnect_ad_account", ad_account.pk))
    page = alice_flow.client.get(alice_flow.url("partner")).content.decode()
    assert "No ad account is connected any more" in page


def test_a_failed_revocation_is_shown_and_retried(alice_flow, connection, sandbox):
    sandbox.faults.set("http_error", endpoint="oauth2/revoke_token")
    page = alice_flow.client.post(alice_flow.url("disconnect_partner"), follow=True)
    assert (
        "did not confirm that our access was revoked. We no longer use it and ask again"
        in page.content.decode()
    )
    assert not alice_flow.connection().is_connected


def test_a_rejected_revocation_is_not_retried(alice_flow, connection, sandbox):
    sandbox.faults.set("code", endpoint="oauth2/revoke_token", code=40002)
    page = alice_flow.client.post(alice_flow.url("disconnect_partner"), follow=True)
    assert (
        "did not confirm that our access was revoked, and asking again would not help"
        in page.content.decode()
    )
    assert not SpentToken.objects.exists()


def test_a_token_with_a_lost_key_cannot_be_revoked(alice_flow, connection, settings):
    settings.TOKEN_KEYS = [crypto.new_key("other")]
    page = alice_flow.client.post(alice_flow.url("disconnect_partner"), follow=True)
    assert "please remove the app in the settings of your TikTok account" in page.content.decode()


def test_revoking_a_void_token_is_a_success(alice_flow, connection, sandbox):
    sandbox.accounts.revoke_all()
    page = alice_flow.client.post(alice_flow.url("disconnect_partner"), follow=True)
    assert "did not confirm" not in page.content.decode()


def test_disconnect_is_idempotent(alice_flow, connection):
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    again = alice_flow.client.post(alice_flow.url("disconnect_partner"), follow=True)
    assert "TikTok is not connected." in again.content.decode()
    assert Activity.objects.filter(verb="disconnected").count() == 1


def test_a_disconnected_ad_account_has_no_question_page(alice_flow, one_account):
    assert alice_flow.client.post(one_account).status_code == 302
    assert alice_flow.client.get(one_account).status_code == 404


def test_disconnects_are_in_the_activity_log(alice_flow, connection, one_account):
    alice_flow.client.post(one_account)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    lines = (
        Activity.objects.filter(verb="disconnected")
        .order_by("pk")
        .values_list("actor__email", "subject")
    )
    assert list(lines) == [
        ("alice@example.org", "TikTok: Acme EU"),
        ("alice@example.org", "TikTok"),
    ]


def test_a_dialog_gets_the_question_as_a_fragment(alice_flow, connection):
    page = alice_flow.client.get(
        alice_flow.url("disconnect_partner"), headers={"HX-Request": "true"}
    ).content.decode()
    assert page.lstrip().startswith("<form")
    assert "<html" not in page
