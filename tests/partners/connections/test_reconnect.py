"""A reconnect by the same or another TikTok user keeps the rows of steps and resumes them."""

import pytest
from django.utils import timezone

from partners import sync
from partners.connections import problems
from partners.models import Batch, Sync, Tally
from partners.queue import park
from partners.queue.flush import Flush
from tiktok_sandbox.seed import EU, JONAS, UK, US

pytestmark = pytest.mark.thorough


@pytest.fixture
def audience(alice_flow):
    alice_flow.connect(EU, US)
    return (
        alice_flow.connection()
        .ad_accounts.get(remote_id=EU)
        .audiences.get(name="Newsletter readers")
    )


def problem_of(step):
    step = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=step.pk)
    return problems.of_sync(step)


def test_pending_people_are_sent_after_a_reconnect_by_another_user(alice_flow, audience, live_sync):
    step = live_sync(audience, 3)
    alice_flow.client.post(alice_flow.url("disconnect_partner"), {"people": "wait"})
    assert problem_of(step).code == "not_connected"
    alice_flow.connect(EU, user=JONAS)
    assert problem_of(step) is None
    Flush(seconds=30).run()
    assert Tally.objects.get(pk=step.pk).synced == 3


@pytest.mark.parametrize("paused", [False, True])
def test_a_reconnect_says_how_many_pending_people_are_sent(alice_flow, audience, live_sync, paused):
    step = live_sync(audience, 3)
    Sync.objects.filter(pk=step.pk).update(paused=paused)
    alice_flow.client.post(alice_flow.url("disconnect_partner"), {"people": "wait"})
    alice_flow.connect(EU, user=JONAS)
    page = alice_flow.client.get(alice_flow.url("partner")).content.decode()
    assert "Connected 1 ad account" in page
    assert ("3 waiting people are being sent now." in page) is not paused


def test_a_reconnect_reuses_the_rows(alice_flow, audience):
    before = audience.ad_account_id
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    alice_flow.connect(EU)
    ad_account = alice_flow.connection().ad_accounts.get(remote_id=EU)
    assert (ad_account.pk, ad_account.is_chosen) == (before, True)
    assert ad_account.audiences.get(remote_id=audience.remote_id).pk == audience.pk


def test_a_reconnect_unparks_and_makes_batches_due(alice_flow, audience, live_sync, sandbox):
    live_sync(audience, 1)
    sandbox.accounts.revoke_all()
    Flush(seconds=30).run()
    assert alice_flow.connection().parked_by == "token"
    alice_flow.connect(EU, US)
    assert alice_flow.connection().parked_by == ""
    assert Batch.objects.get(state="pending").due_at <= timezone.now()


def test_a_change_of_user_revokes_the_old_token(alice_flow, audience, sandbox):
    old = alice_flow.connection().token
    alice_flow.connect(EU, user=JONAS)
    assert sandbox.accounts.token(old) is None
    assert sandbox.accounts.token(alice_flow.connection().token)
    assert alice_flow.connection().remote_user_name == "Jonas Weber"


def test_connected_ad_accounts_are_preselected(alice_flow, audience):
    page = alice_flow.client.get(alice_flow.authorise())
    assert {one.id for one, ticked in page.context["rows"] if ticked} == {EU, US}


def test_ad_accounts_not_chosen_again_are_disconnected(alice_flow, audience):
    alice_flow.connect(UK)
    chosen = alice_flow.connection().ad_accounts.filter(is_chosen=True)
    assert [one.remote_id for one in chosen] == [UK]


class TestLosses:
    @pytest.fixture
    def lost_step(self, alice_flow, audience, live_sync):
        """A live step in an ad account that Jonas cannot reach."""
        return live_sync(
            alice_flow.connection()
            .ad_accounts.get(remote_id=US)
            .audiences.get(name="Newsletter readers")
        )

    def test_lost_steps_are_named_before_anything_is_saved(self, alice_flow, lost_step):
        page = alice_flow.client.get(alice_flow.authorise(user=JONAS)).content.decode()
        assert "Winback / Step 2" in page

    def test_lost_steps_need_a_confirmation(self, alice_flow, lost_step):
        answer = alice_flow.connect(EU, user=JONAS)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()
        assert alice_flow.connection().remote_user_name == "Mara Lindner"

    def test_a_confirmed_loss_is_saved(self, alice_flow, lost_step):
        assert alice_flow.connect(EU, user=JONAS, confirm="on").status_code == 302
        assert problem_of(lost_step).code == "ad_account_disconnected"

    def test_unticking_a_used_ad_account_needs_a_confirmation(self, alice_flow, lost_step):
        assert alice_flow.connect(EU).status_code == 422
        assert alice_flow.connect(EU, US).status_code == 302

    def test_an_unreachable_audience_needs_a_confirmation(self, alice_flow, lost_step, sandbox):
        sandbox.audiences.delete(lost_step.audience.remote_id)
        answer = alice_flow.connect(EU, US)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()

    def test_only_the_account_that_lost_an_audience_of_two_with_one_id_is_named(
        self, alice_flow, audience, live_sync
    ):
        live_sync(audience, label="Kept / Step 1", url="/kept/")
        us = alice_flow.connection().ad_accounts.get(remote_id=US)
        live_sync(us.audiences.create(name="Same", remote_id=audience.remote_id), url="/lost/")
        page = alice_flow.connect(EU, US).content.decode()
        assert "Winback / Step 2" in page
        assert "Kept / Step 1" not in page

    def test_nothing_is_saved_if_the_losses_cannot_be_checked(self, alice_flow, lost_step, sandbox):
        page = alice_flow.authorise(user=JONAS)
        sandbox.faults.set("http_error", endpoint="dmp/custom_audience/list")
        answer = alice_flow.client.post(page, {"ad_accounts": [EU, US], "confirm": "on"})
        assert answer.status_code == 422
        assert alice_flow.connection().remote_user_name == "Mara Lindner"


def test_a_worker_with_the_old_token_does_not_park_the_new_one(alice_flow, audience):
    stale = alice_flow.connection()
    alice_flow.connect(EU, US)
    assert not park.park_connection(stale, "40105", timezone.now())
    assert alice_flow.connection().parked_by == ""


def test_a_new_token_without_pending_people_changes_nothing(alice_flow, audience):
    sync.retry_now(alice_flow.connection())
    assert alice_flow.connection().parked_by == ""
