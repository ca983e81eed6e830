"""A token that was given up ends at TikTok, too: at once, or later if the process died or TikTok was away."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from partners import housekeeping
from partners.connections import connect, oauth, revoke
from partners.models import OAuthState, SpentToken
from tiktok_sandbox.seed import EU

DEAD = "oauth2/revoke_token"


@pytest.fixture
def connection(alices):
    alices.connect(EU)
    return alices.connection()


@pytest.fixture
def token(connection):
    return connection.token


def _later(minutes=2):
    return timezone.now() + timedelta(minutes=minutes)


def test_nothing_is_kept_once_it_is_void(alices, sandbox, token):
    alices.client.post(alices.url("disconnect_partner"))
    assert sandbox.accounts.token(token) is None
    assert not SpentToken.objects.exists()


def test_a_disconnect_ends_the_authorisation_too_that_nothing_was_chosen_with(
    alices, sandbox, token
):
    alices.authorise()
    waiting = oauth.token_of(OAuthState.objects.exclude(token_sealed="").get())
    assert sandbox.accounts.token(waiting)
    alices.client.post(alices.url("disconnect_partner"))
    assert sandbox.accounts.token(waiting) is None
    assert not SpentToken.objects.exists()
    assert not OAuthState.objects.exclude(token_sealed="").exists()


def test_housekeeping_asks_again_while_tiktok_is_away(alices, sandbox, token):
    sandbox.faults.set("http_error", endpoint=DEAD)
    alices.client.post(alices.url("disconnect_partner"))
    assert sandbox.accounts.token(token)
    assert revoke.sweep(now=_later()) == 0
    sandbox.faults.clear()
    SpentToken.objects.update(due_at=timezone.now())
    housekeeping.beat()
    assert sandbox.accounts.token(token) is None
    assert not SpentToken.objects.exists()


def test_a_process_that_dies_before_it_asks(alices, alice, connection, sandbox, token, monkeypatch):
    class Killed(BaseException):
        pass

    def dies(self, access_token):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("partners.tiktok.client.Client.revoke", dies)
        with pytest.raises(Killed):
            connect.disconnect(connection, discard=False, by=alice, now=timezone.now())
    assert not alices.connection().is_connected
    assert sandbox.accounts.token(token)
    assert revoke.sweep(now=timezone.now()) == 0  # somebody may be at it
    assert revoke.sweep(now=_later()) == 1
    assert sandbox.accounts.token(token) is None


def test_it_is_asked_for_a_day_at_most(alices, sandbox, token):
    sandbox.faults.set("http_error", endpoint=DEAD)
    alices.client.post(alices.url("disconnect_partner"))
    revoke.sweep(now=_later(minutes=60 * 25))
    assert not SpentToken.objects.exists()


def test_a_token_that_is_in_use_again_is_left_alone(alices, connection, sandbox, token):
    sandbox.faults.set("http_error", endpoint=DEAD)
    alices.client.post(alices.url("disconnect_partner"))
    sandbox.faults.clear()
    connection.set_token(token)
    connection.save()
    revoke.sweep(now=_later())
    assert sandbox.accounts.token(token)
    assert not SpentToken.objects.exists()


def test_it_is_sealed_and_opens_as_nothing_else(alices, connection, sandbox, token):
    sandbox.faults.set("http_error", endpoint=DEAD)
    sealed = connection.token_sealed
    alices.client.post(alices.url("disconnect_partner"))
    spent = SpentToken.objects.get()
    assert token not in spent.token_sealed
    assert spent.token_sealed != sealed
    connection.token_sealed = spent.token_sealed
    with pytest.raises(revoke.crypto.CannotOpen):
        _ = connection.token


def test_keys_are_rotated_here_as_well(alices, sandbox, token, settings, capsys):
    sandbox.faults.set("http_error", endpoint=DEAD)
    alices.client.post(alices.url("disconnect_partner"))
    settings.TOKEN_KEYS = [revoke.crypto.new_key("next"), *settings.TOKEN_KEYS]
    call_command("rotate_keys")
    assert "spent tokens: 1 sealed anew" in capsys.readouterr().out
    settings.TOKEN_KEYS = settings.TOKEN_KEYS[:1]
    sandbox.faults.clear()
    assert revoke.sweep(now=_later()) == 1


def _tokens_alive(sandbox):
    return sandbox.store.all("SELECT COUNT(*) FROM token WHERE revoked_at IS NULL")[0][0]


def test_a_token_whose_owner_cannot_be_asked_for_ends_at_once(alices, sandbox, nothing_stored):
    sandbox.faults.set("http_error", endpoint="user/info")
    assert alices.come_back(alices.confirm(alices.start())).status_code == 400
    assert _tokens_alive(sandbox) == 0
    nothing_stored()


def test_a_token_that_nobody_chose_anything_with_ends_with_its_time(alices, sandbox):
    alices.authorise()
    assert _tokens_alive(sandbox) == 1
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=9))
    housekeeping.beat()
    assert OAuthState.objects.count() == 1
    OAuthState.objects.update(created_at=timezone.now() - timedelta(hours=1, minutes=11))
    housekeeping.beat()
    assert revoke.sweep(now=_later()) == 1
    assert _tokens_alive(sandbox) == 0
    assert not OAuthState.objects.exists()
