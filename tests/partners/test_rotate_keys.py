"""rotate_keys seals every stored token with the newest key."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from audiencesync.core import crypto
from partners.models import Connection, OAuthState

OLD, NEW = crypto.new_key("old"), crypto.new_key("new")


@pytest.fixture
def connection(acme, settings):
    settings.TOKEN_KEYS = [OLD]
    row = Connection.objects.create(partner="tiktok", app_group=acme)
    row.set_token("secret-of-acme")
    row.save()
    return row


@pytest.fixture
def state(acme, alice, settings):
    settings.TOKEN_KEYS = [OLD]
    row = OAuthState.objects.create(
        partner="tiktok", state_hash="s", session_hash="s", user=alice, app_group=acme
    )
    row.token_sealed = crypto.seal("secret-in-waiting", context=row.token_context)
    row.save()
    return row


def rotate():
    out = StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue()


def test_rotated_tokens_open_with_the_new_key_only(connection, state, settings):
    settings.TOKEN_KEYS = [NEW, OLD]
    output = rotate()
    settings.TOKEN_KEYS = [NEW]
    connection.refresh_from_db()
    state.refresh_from_db()
    assert connection.token == "secret-of-acme"
    assert (
        crypto.open_sealed(state.token_sealed, context=state.token_context) == "secret-in-waiting"
    )
    assert "secret" not in output
    assert "connections: 1 resealed" in output


def test_a_second_run_changes_nothing(connection, settings):
    settings.TOKEN_KEYS = [NEW, OLD]
    rotate()
    connection.refresh_from_db()
    before = connection.token_sealed
    assert "1 already current" in rotate()
    connection.refresh_from_db()
    assert connection.token_sealed == before


def test_rows_without_a_token_are_left_alone(acme, settings):
    row = Connection.objects.create(partner="tiktok", app_group=acme)
    assert "connections: 0 resealed, 0 already current" in rotate()
    row.refresh_from_db()
    assert row.token_sealed == ""


def test_an_unreadable_token_is_counted_and_kept(connection, settings):
    settings.TOKEN_KEYS = [NEW]
    before = connection.token_sealed
    with pytest.raises(CommandError, match="do not open"):
        rotate()
    connection.refresh_from_db()
    assert connection.token_sealed == before


def test_an_unreadable_token_does_not_stop_the_rotation(connection, other_group, settings):
    settings.TOKEN_KEYS = [NEW]
    lost = Connection.objects.create(partner="tiktok", app_group=other_group)
    lost.token_sealed = "v1.gone.AAAA.AAAA"
    lost.save()
    settings.TOKEN_KEYS = [NEW, OLD]
    with pytest.raises(CommandError):
        rotate()
    connection.refresh_from_db()
    assert crypto.is_current(connection.token_sealed)
