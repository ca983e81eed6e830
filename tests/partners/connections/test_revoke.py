"""A replaced token is revoked at TikTok, at once or later if the process or TikTok failed."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from partners import housekeeping
from partners.connections import connect, oauth, revoke
from partners.models import OAuthState, SpentToken
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough

REVOKE = "oauth2/revoke_token"


@pytest.fixture
def connection(alice_flow):
    alice_flow.connect(EU)
    return alice_flow.connection()


@pytest.fixture
def token(connection):
    return connection.token


def _later(minutes=2):
    return timezone.now() + timedelta(minutes=minutes)


def test_a_revoked_token_is_not_kept(alice_flow, sandbox, token):
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    assert sandbox.accounts.token(token) is None
    assert not SpentToken.objects.exists()


def test_a_disconnect_revokes_open_authorisations(alice_flow, sandbox, token):
    alice_flow.authorise()
    waiting = oauth.token_of(OAuthState.objects.exclude(token_sealed="").get())
    assert sandbox.accounts.token(waiting)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    assert sandbox.accounts.token(waiting) is None
    assert not SpentToken.objects.exists()
    assert not OAuthState.objects.exclude(token_sealed="").exists()


def test_housekeeping_retries_a_failed_revocation(alice_flow, sandbox, token):
    sandbox.faults.set("http_error", endpoint=REVOKE)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    assert sandbox.accounts.token(token)
    assert revoke.retry_due(now=_later()) == 0
    sandbox.faults.clear()
    SpentToken.objects.update(due_at=timezone.now())
    housekeeping.beat()
    assert sandbox.accounts.token(token) is None
    assert not SpentToken.objects.exists()


def test_a_revocation_survives_the_death_of_its_process(
    alice_flow, alice, connection, sandbox, token, monkeypatch
):
    class Killed(BaseException):
        pass

    def die(self, access_token):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("partners.tiktok.client.Client.revoke", die)
        with pytest.raises(Killed):
            connect.disconnect(connection, discard=False, by=alice, now=timezone.now())
    assert not alice_flow.connection().is_connected
    assert sandbox.accounts.token(token)
    assert revoke.retry_due(now=timezone.now()) == 0  # another process may be revoking it
    assert revoke.retry_due(now=_later()) == 1
    assert sandbox.accounts.token(token) is None


def test_a_revocation_is_retried_for_a_day_at_most(alice_flow, sandbox, token):
    sandbox.faults.set("http_error", endpoint=REVOKE)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    revoke.retry_due(now=_later(minutes=60 * 25))
    assert not SpentToken.objects.exists()


def test_a_token_in_use_again_is_not_revoked(alice_flow, connection, sandbox, token):
    sandbox.faults.set("http_error", endpoint=REVOKE)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    sandbox.faults.clear()
    connection.set_token(token)
    connection.save()
    revoke.retry_due(now=_later())
    assert sandbox.accounts.token(token)
    assert not SpentToken.objects.exists()


def test_a_spent_token_is_sealed_for_its_own_context(alice_flow, connection, sandbox, token):
    sandbox.faults.set("http_error", endpoint=REVOKE)
    sealed = connection.token_sealed
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    spent = SpentToken.objects.get()
    assert token not in spent.token_sealed
    assert spent.token_sealed != sealed
    connection.token_sealed = spent.token_sealed
    with pytest.raises(revoke.crypto.CannotOpen):
        _ = connection.token


def test_keys_of_spent_tokens_are_rotated(alice_flow, sandbox, token, settings, capsys):
    sandbox.faults.set("http_error", endpoint=REVOKE)
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    settings.TOKEN_KEYS = [revoke.crypto.new_key("next"), *settings.TOKEN_KEYS]
    call_command("rotate_keys")
    assert "spent tokens: 1 resealed" in capsys.readouterr().out
    settings.TOKEN_KEYS = settings.TOKEN_KEYS[:1]
    sandbox.faults.clear()
    assert revoke.retry_due(now=_later()) == 1


def _valid_tokens(sandbox):
    return sandbox.store.all("SELECT COUNT(*) FROM token WHERE revoked_at IS NULL")[0][0]


def test_a_token_without_user_info_is_revoked_at_once(alice_flow, sandbox, nothing_stored):
    sandbox.faults.set("http_error", endpoint="user/info")
    assert alice_flow.come_back(alice_flow.confirm(alice_flow.start())).status_code == 400
    assert _valid_tokens(sandbox) == 0
    nothing_stored()


def test_the_token_of_an_expired_offer_is_revoked(alice_flow, sandbox):
    alice_flow.authorise()
    assert _valid_tokens(sandbox) == 1
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=9))
    housekeeping.beat()
    assert OAuthState.objects.count() == 1
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=11))
    housekeeping.beat()
    assert revoke.retry_due(now=_later()) == 1
    assert _valid_tokens(sandbox) == 0
    assert not OAuthState.objects.exists()
