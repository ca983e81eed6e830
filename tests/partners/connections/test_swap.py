"""A change of the account: what it touches is confirmed first, and the queue is held meanwhile."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from partners import laws, why_pending
from partners.connections import connect, oauth
from partners.models import Batch, Connection, OAuthState, Sync, Tally
from partners.numbers import pace
from partners.queue import flush, park
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


@pytest.fixture
def step(audience, live_sync):
    return live_sync(audience, 3)


def synced(step):
    flush.beat()
    return Tally.objects.get(pk=step.pk).synced


def lapse(by=timedelta(0)):
    """Move the swap into the past, as if its time was over."""
    now = timezone.now()
    begun = Connection.objects.get().swap_begun_at
    Connection.objects.update(
        swap_begun_at=begun - park.MAX_SWAP - by, swap_until=now - timedelta(seconds=1)
    )


def test_the_page_names_what_a_change_touches(alice_flow, step):
    page = alice_flow.client.get(alice_flow.url("change_account")).content.decode()
    assert "Winback / Step 2" in page
    assert "3 people wait" in page
    assert "Waits until the change is done" in page


def test_the_page_costs_the_same_for_many_steps(
    alice_flow, audience, live_sync, django_assert_max_num_queries
):
    for n in range(12):
        live_sync(audience, 1, label=f"Canvas {n}: {audience.name}")
    with django_assert_max_num_queries(11):
        page = alice_flow.client.get(alice_flow.url("change_account")).content.decode()
    assert page.count("1 person waits") == 12


def test_a_change_is_not_begun_without_a_confirmation(alice_flow, step):
    answer = alice_flow.client.post(alice_flow.url("connect_partner"))
    assert answer["Location"] == alice_flow.url("change_account")
    assert alice_flow.connection().swap_until is None
    assert "portal/auth" in alice_flow.start()


def test_without_steps_no_confirmation_is_asked(alice_flow, audience):
    answer = alice_flow.client.post(alice_flow.url("connect_partner"))
    assert "portal/auth" in answer["Location"]


def test_nothing_is_sent_while_the_account_is_changed(alice_flow, step, sandbox):
    alice_flow.start()
    assert not Batch.objects.due(timezone.now()).exists()
    assert synced(step) == 0
    assert not [line for line in sandbox.log.all() if line.endpoint == "segment/mapping"]
    batch = Batch.objects.get(state="pending")
    assert (batch.attempts, batch.first_failed_at, batch.lease) == (0, None, "")


def test_a_request_that_was_planned_before_is_not_sent(alice_flow, step):
    [request] = flush.collect.plan(step.audience.ad_account.lane, most=1, now=timezone.now())
    alice_flow.start()
    assert not flush.collect.lease_batches(request, now=timezone.now())


def test_a_change_that_begins_while_a_request_is_leased_waits_for_it(alice_flow, step):
    """What is sent must be leased: otherwise a second worker would send it at the same time."""
    [request] = flush.collect.plan(step.audience.ad_account.lane, most=1, now=timezone.now())
    begun = []

    def begin_first(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "lease" in sql and not begun:
            begun.append(sql)
            park.begin_swap(alice_flow.connection(), by=None, now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(begin_first):
        is_taken = flush.collect.lease_batches(request, now=timezone.now())
    assert begun
    assert is_taken == Batch.objects.leased_to(request.lease).exists()


def test_the_reason_is_shown(alice_flow, step):
    alice_flow.start()
    to_sync = Sync.objects.select_related("audience__ad_account__connection__app_group").get()
    assert "account is being changed" in why_pending.of_sync(to_sync, now=timezone.now()).text
    assert pace.of_sync(to_sync, now=timezone.now()).next_at == alice_flow.connection().swap_until
    page = alice_flow.client.get(alice_flow.url("partner")).content.decode()
    assert "The account is being changed" in page
    assert "Begun by <bdi>" in page


def test_people_go_on_to_the_same_audience_after_the_change(alice_flow, step, sandbox):
    alice_flow.connect(EU, user=JONAS, confirm="on")
    assert alice_flow.connection().swap_until is None
    assert synced(step) == 3
    assert sandbox.audiences.members(step.audience.remote_id).people


def test_people_whose_account_was_left_out_are_sent_nowhere(alice_flow, step, sandbox):
    alice_flow.connect(UK, confirm="on")
    assert synced(step) == 0
    assert not [line for line in sandbox.log.all() if line.endpoint == "segment/mapping"]


def test_another_user_needs_a_confirmation(alice_flow, step):
    page = alice_flow.authorise(user=JONAS)
    text = alice_flow.client.get(page).content.decode()
    assert "no longer as <bdi>Mara Lindner</bdi>" in text
    assert "Goes on to the same audience" in text
    assert alice_flow.client.post(page, {"ad_accounts": [EU]}).status_code == 422
    assert alice_flow.connection().remote_user_name == "Mara Lindner"
    assert alice_flow.client.post(page, {"ad_accounts": [EU], "confirm": "on"}).status_code == 302


def test_the_same_user_needs_none(alice_flow, step):
    assert alice_flow.connect(EU, US).status_code == 302


def test_cancel_lets_the_queue_go_on(alice_flow, step):
    alice_flow.authorise(user=JONAS)
    page = alice_flow.client.post(alice_flow.url("cancel_change"), follow=True).content.decode()
    assert "people are sent as before" in page
    assert synced(step) == 3


def test_cancel_at_the_partner_lets_the_queue_go_on(alice_flow, step):
    address = alice_flow.start()
    alice_flow.come_back(alice_flow.confirm(address, cancel="1"))
    assert alice_flow.connection().swap_until is None


def test_an_old_return_address_does_not_end_a_change(alice_flow, step):
    address = alice_flow.confirm(alice_flow.start())
    page = alice_flow.come_back(address)["Location"]
    alice_flow.client.post(page, {"ad_accounts": [EU, US]})
    alice_flow.start()
    assert alice_flow.come_back(address).status_code == 400
    assert alice_flow.connection().swap_until is not None


def test_a_change_ends_if_the_admin_comes_back_too_late(alice_flow, step):
    address = alice_flow.confirm(alice_flow.start())
    OAuthState.objects.update(created_at=timezone.now() - oauth.STATE_LIFETIME)
    assert alice_flow.come_back(address).status_code == 400
    assert alice_flow.connection().swap_until is None


def test_an_abandoned_change_ends_by_itself(alice_flow, step):
    alice_flow.start()
    lapse()
    assert synced(step) == 3
    assert alice_flow.connection().swap_until is None


def test_a_change_that_a_wrong_clock_wrote_ends(alice_flow, step):
    alice_flow.start()
    Connection.objects.update(swap_until=timezone.now() + timedelta(days=9))
    assert synced(step) == 3


def test_no_time_of_the_retry_window_is_lost(alice_flow, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now + timedelta(minutes=5))
    alice_flow.start()
    later = now + timedelta(minutes=10)
    flush.age_blocked(now=later)
    assert Batch.objects.get().state == "pending"
    park.end_swap(alice_flow.connection().pk, now=later)
    batch = Batch.objects.get()
    assert timedelta(minutes=14) < batch.deadline_at - now <= timedelta(minutes=15)
    park.end_swap(alice_flow.connection().pk, now=later + timedelta(hours=1))
    assert Batch.objects.get().deadline_at == batch.deadline_at


def test_a_deadline_that_passes_meanwhile_breaks_no_law(alice_flow, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now + timedelta(minutes=1))
    alice_flow.start()
    later = now + timedelta(minutes=15)
    assert not list(laws.broken(now=later))
    assert list(laws.broken(now=later + timedelta(hours=1)))  # a hold that never ends is found


def test_a_left_out_account_is_not_errored_meanwhile(alice_flow, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now - timedelta(hours=2), deadline_at=now)
    step.audience.ad_account.is_chosen = False
    step.audience.ad_account.save()
    alice_flow.start()
    flush.age_blocked(now=now + timedelta(minutes=1))
    assert Batch.objects.get().state == "pending"
    park.end_swap(alice_flow.connection().pk, now=now)
    flush.age_blocked(now=now + timedelta(minutes=1))
    assert Batch.objects.get().state == "errored"


def test_a_process_that_dies_before_the_checks_holds_people_for_minutes(
    alice_flow, step, monkeypatch
):
    page = alice_flow.authorise()
    monkeypatch.setattr(park, "end_swap", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        alice_flow.client.post(page, {"ad_accounts": [EU, US]})
    until = alice_flow.connection().swap_until
    assert until - timezone.now() <= park.MAX_SWAP_CHECK
    monkeypatch.undo()
    flush.park.end_lapsed_swaps(now=until)
    assert synced(step) == 3


def test_a_disconnect_ends_the_change(alice_flow, step):
    alice_flow.start()
    alice_flow.client.post(alice_flow.url("disconnect_partner"), {"people": "wait"})
    assert alice_flow.connection().swap_until is None


def test_a_disconnect_while_another_admin_saves_ad_accounts(alice_flow, audience):
    page, begun = alice_flow.authorise(), []

    def disconnect_first(execute, sql, params, many, context):
        if "partners_sync" in sql and not begun:
            begun.append(sql)
            connect.disconnect(alice_flow.connection(), discard=False, by=None, now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(disconnect_first):
        assert alice_flow.client.post(page, {"ad_accounts": [EU, US]}).status_code == 400
    assert begun
    assert not alice_flow.connection().is_connected


def test_the_disconnect_page_says_what_happens_to_each(alice_flow, step):
    page = alice_flow.client.get(alice_flow.url("disconnect_partner")).content.decode()
    assert "Stops. People who wait are sent if it is connected again within" in page
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=timezone.now())
    page = alice_flow.client.get(alice_flow.url("disconnect_partner")).content.decode()
    assert "before this time; otherwise they count as errored" in " ".join(page.split())


def test_only_admins_change_and_cancel(alice_flow, step, signed_in, bob):
    bob_editor = signed_in(bob)
    assert bob_editor.get(alice_flow.url("change_account")).status_code == 403
    assert bob_editor.post(alice_flow.url("cancel_change")).status_code == 403
