"""Connecting again, by the same or another TikTok user: steps keep their rows and go on."""

import pytest
from django.utils import timezone

from partners import sync
from partners.connections import problems
from partners.models import Batch, Sync, Tally
from partners.queue import park
from partners.queue.flush import Flush
from tiktok_sandbox.seed import EU, JONAS, UK, US


@pytest.fixture
def audience(alices):
    alices.connect(EU, US)
    return (
        alices.connection().ad_accounts.get(remote_id=EU).audiences.get(name="Newsletter readers")
    )


def problem_of(step):
    step = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=step.pk)
    return problems.of_sync(step, now=timezone.now())


def test_people_who_waited_are_sent_after_a_reconnect_by_another_user(alices, audience, live_step):
    step = live_step(audience, 3)
    alices.client.post(alices.url("disconnect_partner"), {"people": "wait"})
    assert problem_of(step).code == "not_connected"
    alices.connect(EU, user=JONAS)
    assert problem_of(step) is None
    Flush(seconds=2).run()
    assert Tally.objects.get(pk=step.pk).synced == 3


@pytest.mark.parametrize("paused", [False, True])
def test_a_reconnect_says_how_many_waiting_people_are_sent_now(alices, audience, live_step, paused):
    step = live_step(audience, 3)
    Sync.objects.filter(pk=step.pk).update(paused=paused)
    alices.client.post(alices.url("disconnect_partner"), {"people": "wait"})
    alices.connect(EU, user=JONAS)
    page = alices.client.get(alices.url("partner")).content.decode()
    assert "Connected 1 ad account" in page
    assert ("3 waiting people are being sent now." in page) is not paused


def test_the_same_rows_are_used_again(alices, audience):
    before = audience.ad_account_id
    alices.client.post(alices.url("disconnect_partner"))
    alices.connect(EU)
    ad_account = alices.connection().ad_accounts.get(remote_id=EU)
    assert (ad_account.pk, ad_account.is_chosen) == (before, True)
    assert ad_account.audiences.get(remote_id=audience.remote_id).pk == audience.pk


def test_a_reconnect_frees_what_was_parked_and_wakes_it_at_once(
    alices, audience, live_step, sandbox
):
    live_step(audience, 1)
    sandbox.accounts.revoke_all()
    Flush(seconds=1).run()
    assert alices.connection().parked_by == "token"
    alices.connect(EU, US)
    assert alices.connection().parked_by == ""
    assert Batch.objects.get(state="pending").due_at <= timezone.now()


def test_the_old_token_is_made_void_after_a_change(alices, audience, sandbox):
    old = alices.connection().token
    alices.connect(EU, user=JONAS)
    assert sandbox.accounts.token(old) is None
    assert sandbox.accounts.token(alices.connection().token)
    assert alices.connection().remote_user_name == "Jonas Weber"


def test_what_was_connected_is_ticked_beforehand(alices, audience):
    page = alices.client.get(alices.authorise())
    assert {one.id for one, ticked in page.context["rows"] if ticked} == {EU, US}


def test_ad_accounts_not_chosen_again_are_let_go(alices, audience):
    alices.connect(UK)
    chosen = alices.connection().ad_accounts.filter(is_chosen=True)
    assert [one.remote_id for one in chosen] == [UK]


class TestLosses:
    @pytest.fixture
    def lonely(self, alices, audience, live_step):
        """A live step in the ad account that Jonas does not reach."""
        return live_step(
            alices.connection()
            .ad_accounts.get(remote_id=US)
            .audiences.get(name="Newsletter readers")
        )

    def test_they_are_named_before_anything_is_saved(self, alices, lonely):
        page = alices.client.get(alices.authorise(user=JONAS)).content.decode()
        assert "Winback / Step 2" in page

    def test_they_need_a_tick(self, alices, lonely):
        answer = alices.connect(EU, user=JONAS)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()
        assert alices.connection().remote_user_name == "Mara Lindner"

    def test_with_the_tick_it_is_saved(self, alices, lonely):
        assert alices.connect(EU, user=JONAS, confirm="on").status_code == 302
        assert problem_of(lonely).code == "ad_account_disconnected"

    def test_unticking_a_needed_ad_account_counts_too(self, alices, lonely):
        assert alices.connect(EU).status_code == 422
        assert alices.connect(EU, US).status_code == 302

    def test_an_audience_that_is_not_reached_counts_too(self, alices, lonely, sandbox):
        sandbox.audiences.delete(lonely.audience.remote_id)
        answer = alices.connect(EU, US)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()

    def test_if_it_cannot_be_checked_nothing_is_saved(self, alices, lonely, sandbox):
        page = alices.authorise(user=JONAS)
        sandbox.faults.set("http_error", endpoint="dmp/custom_audience/list")
        answer = alices.client.post(page, {"ad_accounts": [EU, US], "confirm": "on"})
        assert answer.status_code == 422
        assert alices.connection().remote_user_name == "Mara Lindner"


def test_a_worker_with_the_old_token_does_not_park_the_new_one(alices, audience):
    stale = alices.connection()
    alices.connect(EU, US)
    assert not park.park_connection(stale, 40105, timezone.now())
    assert alices.connection().parked_by == ""


def test_waking_is_harmless_without_work(alices, audience):
    sync.woken(alices.connection())
    assert alices.connection().parked_by == ""
