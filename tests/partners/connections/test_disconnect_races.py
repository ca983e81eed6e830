"""A disconnect while another admin comes back from the partner, or chooses ad accounts."""

import time

import pytest
from django.db import connection
from django.utils import timezone

from partners.connections import connect, oauth
from partners.models import OAuthState, SpentToken
from tests.support.threads import Threads
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough


def disconnect(row, by):
    connect.disconnect(row, discard=False, by=by, now=timezone.now())


def test_a_disconnect_during_a_callback_is_said(alice_flow, alice, monkeypatch):
    alice_flow.connect(EU)
    address = alice_flow.confirm(alice_flow.start())
    fetch = oauth._fetch_offer

    def fetch_offer(*args):
        disconnect(alice_flow.connection(), alice)
        return fetch(*args)

    monkeypatch.setattr(oauth, "_fetch_offer", fetch_offer)
    monkeypatch.setattr(connect.revoke, "revoke", lambda spent: connect.Revocation.DONE)
    page = alice_flow.come_back(address)
    assert page.status_code == 400
    assert "disconnected meanwhile. Nothing was stored" in page.content.decode()
    assert (OAuthState.objects.count(), SpentToken.objects.count()) == (1, 2)


def test_a_disconnect_keeps_a_state_whose_token_came_meanwhile(alice_flow, alice):
    alice_flow.connect(EU)
    alice_flow.authorise()
    alice_flow.start()

    def store_token(execute, sql, params, many, context):
        if sql.startswith("DELETE") and OAuthState._meta.db_table in sql:
            OAuthState.objects.filter(used_at=None).update(token_sealed="by another process")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(store_token):
        disconnect(alice_flow.connection(), alice)
    assert OAuthState.objects.filter(token_sealed="by another process").exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_a_choice_and_a_disconnect_do_not_wait_for_each_other(alice_flow, alice):
    alice_flow.connect(EU)
    page = alice_flow.authorise()
    state, row, threads = OAuthState.objects.get(chosen_at=None), alice_flow.connection(), Threads()

    def disconnect_meanwhile(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and OAuthState._meta.db_table in sql and not threads.running:
            threads.start(lambda: disconnect(row, alice))
            time.sleep(0.5)  # until the other one waits for a lock
        return result

    with connection.execute_wrapper(disconnect_meanwhile):
        connect.choose(state, [EU], now=timezone.now())
    assert threads.join() == []
    assert page.endswith(f"/{state.pk}/")
