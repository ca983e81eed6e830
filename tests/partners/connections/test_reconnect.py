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
def audience(alices):
    alices.connect(EU, US)
    return (
        alices.connection().ad_accounts.get(remote_id=EU).audiences.get(name="Newsletter readers")
    )


def problem_of(step):
    step = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=step.pk)
    return problems.of_sync(step, now=timezone.now())


def test_pending_people_are_sent_after_a_reconnect_by_another_user(alices, audience, live_step):
    step = live_step(audience, 3)
    alices.client.post(alices.url("disconnect_partner"), {"people": "wait"})
    assert problem_of(step).code == "not_connected"
    alices.connect(EU, user=JONAS)
    assert problem_of(step) is None
    Flush(seconds=30).run()
    assert Tally.objects.get(pk=step.pk).synced == 3


@pytest.mark.parametrize("paused", [False, True])
def test_a_reconnect_says_how_many_pending_people_are_sent(alices, audience, live_step, paused):
    step = live_step(audience, 3)
    Sync.objects.filter(pk=step.pk).update(paused=paused)
    alices.client.post(alices.url("disconnect_partner"), {"people": "wait"})
    alices.connect(EU, user=JONAS)
    page = alices.client.get(alices.url("partner")).content.decode()
    assert "Connected 1 ad account" in page
    assert ("3 waiting people are being sent now." in page) is not paused


def test_a_reconnect_reuses_the_rows(alices, audience):
    before = audience.ad_account_id
    alices.client.post(alices.url("disconnect_partner"))
    alices.connect(EU)
    ad_account = alices.connection().ad_accounts.get(remote_id=EU)
    assert (ad_account.pk, ad_account.is_chosen) == (before, True)
    assert ad_account.audiences.get(remote_id=audience.remote_id).pk == audience.pk


def test_a_reconnect_unparks_and_makes_batches_due(alices, audience, live_step, sandbox):
    live_step(audience, 1)
    sandbox.accounts.revoke_all()
    Flush(seconds=30).run()
    assert alices.connection().parked_by == "token"
    alices.connect(EU, US)
    assert alices.connection().parked_by == ""
    assert Batch.objects.get(state="pending").due_at <= timezone.now()


def test_a_change_of_user_revokes_the_old_token(alices, audience, sandbox):
    old = alices.connection().token
    alices.connect(EU, user=JONAS)
    assert sandbox.accounts.token(old) is None
    assert sandbox.accounts.token(alices.connection().token)
    assert alices.connection().remote_user_name == "Jonas Weber"


def test_connected_ad_accounts_are_preselected(alices, audience):
    page = alices.client.get(alices.authorise())
    assert {one.id for one, ticked in page.context["rows"] if ticked} == {EU, US}


def test_ad_accounts_not_chosen_again_are_disconnected(alices, audience):
    alices.connect(UK)
    chosen = alices.connection().ad_accounts.filter(is_chosen=True)
    assert [one.remote_id for one in chosen] == [UK]


class TestLosses:
    @pytest.fixture
    def lost_step(self, alices, audience, live_step):
        """A live step in an ad account that Jonas cannot reach."""
        return live_step(
            alices.connection()
            .ad_accounts.get(remote_id=US)
            .audiences.get(name="Newsletter readers")
        )

    def test_lost_steps_are_named_before_anything_is_saved(self, alices, lost_step):
        page = alices.client.get(alices.authorise(user=JONAS)).content.decode()
        assert "Winback / Step 2" in page

    def test_lost_steps_need_a_confirmation(self, alices, lost_step):
        answer = alices.connect(EU, user=JONAS)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()
        assert alices.connection().remote_user_name == "Mara Lindner"

    def test_a_confirmed_loss_is_saved(self, alices, lost_step):
        assert alices.connect(EU, user=JONAS, confirm="on").status_code == 302
        assert problem_of(lost_step).code == "ad_account_disconnected"

    def test_unticking_a_used_ad_account_needs_a_confirmation(self, alices, lost_step):
        assert alices.connect(EU).status_code == 422
        assert alices.connect(EU, US).status_code == 302

    def test_an_unreachable_audience_needs_a_confirmation(self, alices, lost_step, sandbox):
        sandbox.audiences.delete(lost_step.audience.remote_id)
        answer = alices.connect(EU, US)
        assert answer.status_code == 422
        assert "Winback / Step 2" in answer.content.decode()

    def test_nothing_is_saved_if_the_losses_cannot_be_checked(self, alices, lost_step, sandbox):
        page = alices.authorise(user=JONAS)
        sandbox.faults.set("http_error", endpoint="dmp/custom_audience/list")
        answer = alices.client.post(page, {"ad_accounts": [EU, US], "confirm": "on"})
        assert answer.status_code == 422
        assert alices.connection().remote_user_name == "Mara Lindner"


def test_a_worker_with_the_old_token_does_not_park_the_new_one(alices, audience):
    stale = alices.connection()
    alices.connect(EU, US)
    assert not park.park_connection(stale, "40105", timezone.now())
    assert alices.connection().parked_by == ""


def test_a_new_token_without_pending_people_changes_nothing(alices, audience):
    sync.retry_now(alices.connection())
    assert alices.connection().parked_by == ""
