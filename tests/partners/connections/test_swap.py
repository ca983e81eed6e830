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
def audience(alices):
    alices.connect(EU, US)
    return (
        alices.connection().ad_accounts.get(remote_id=EU).audiences.get(name="Newsletter readers")
    )


@pytest.fixture
def step(audience, live_step):
    return live_step(audience, 3)


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


def test_the_page_names_what_a_change_touches(alices, step):
    page = alices.client.get(alices.url("change_account")).content.decode()
    assert "Winback / Step 2" in page
    assert "3 people wait" in page
    assert "Waits until the change is done" in page


def test_the_page_costs_the_same_for_many_steps(
    alices, audience, live_step, django_assert_max_num_queries
):
    for n in range(12):
        live_step(audience, 1, label=f"Canvas {n}: {audience.name}")
    with django_assert_max_num_queries(11):
        page = alices.client.get(alices.url("change_account")).content.decode()
    assert page.count("1 person waits") == 12


def test_a_change_is_not_begun_without_a_confirmation(alices, step):
    answer = alices.client.post(alices.url("connect_partner"))
    assert answer["Location"] == alices.url("change_account")
    assert alices.connection().swap_until is None
    assert "portal/auth" in alices.start()


def test_without_steps_no_confirmation_is_asked(alices, audience):
    answer = alices.client.post(alices.url("connect_partner"))
    assert "portal/auth" in answer["Location"]


def test_nothing_is_sent_while_the_account_is_changed(alices, step, sandbox):
    alices.start()
    assert not Batch.objects.due(timezone.now()).exists()
    assert synced(step) == 0
    assert not [line for line in sandbox.log.all() if line.endpoint == "segment/mapping"]
    batch = Batch.objects.get(state="pending")
    assert (batch.attempts, batch.first_failed_at, batch.lease) == (0, None, "")


def test_a_request_that_was_planned_before_is_not_sent(alices, step):
    [request] = flush.collect.plan(step.audience.ad_account.lane, most=1, now=timezone.now())
    alices.start()
    assert not flush.collect.lease_batches(request, now=timezone.now())


def test_a_change_that_begins_while_a_request_is_leased_waits_for_it(alices, step):
    """What is sent is leased: else a second worker sends it at the same time."""
    [request] = flush.collect.plan(step.audience.ad_account.lane, most=1, now=timezone.now())
    begun = []

    def begin_first(execute, sql, params, many, context):
        if sql.startswith("UPDATE") and "lease" in sql and not begun:
            begun.append(sql)
            park.begin_swap(alices.connection(), by=None, now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(begin_first):
        is_taken = flush.collect.lease_batches(request, now=timezone.now())
    assert begun
    assert is_taken == Batch.objects.leased_to(request.lease).exists()


def test_the_reason_is_shown(alices, step):
    alices.start()
    found = Sync.objects.select_related("audience__ad_account__connection__app_group").get()
    assert "account is being changed" in why_pending.of_sync(found, now=timezone.now()).text
    assert pace.of_sync(found, now=timezone.now()).next_at == alices.connection().swap_until
    page = alices.client.get(alices.url("partner")).content.decode()
    assert "The account is being changed" in page
    assert "Begun by <bdi>" in page


def test_people_go_on_to_the_same_audience_after_the_change(alices, step, sandbox):
    alices.connect(EU, user=JONAS, confirm="on")
    assert alices.connection().swap_until is None
    assert synced(step) == 3
    assert sandbox.audiences.members(step.audience.remote_id).people


def test_people_whose_account_was_left_out_are_sent_nowhere(alices, step, sandbox):
    alices.connect(UK, confirm="on")
    assert synced(step) == 0
    assert not [line for line in sandbox.log.all() if line.endpoint == "segment/mapping"]


def test_another_user_needs_a_confirmation(alices, step):
    page = alices.authorise(user=JONAS)
    text = alices.client.get(page).content.decode()
    assert "no longer as <bdi>Mara Lindner</bdi>" in text
    assert "Goes on to the same audience" in text
    assert alices.client.post(page, {"ad_accounts": [EU]}).status_code == 422
    assert alices.connection().remote_user_name == "Mara Lindner"
    assert alices.client.post(page, {"ad_accounts": [EU], "confirm": "on"}).status_code == 302


def test_the_same_user_needs_none(alices, step):
    assert alices.connect(EU, US).status_code == 302


def test_cancel_lets_the_queue_go_on(alices, step):
    alices.authorise(user=JONAS)
    page = alices.client.post(alices.url("cancel_change"), follow=True).content.decode()
    assert "people are sent as before" in page
    assert synced(step) == 3


def test_cancel_at_the_partner_lets_the_queue_go_on(alices, step):
    address = alices.start()
    alices.come_back(alices.confirm(address, cancel="1"))
    assert alices.connection().swap_until is None


def test_an_old_return_address_does_not_end_a_change(alices, step):
    address = alices.confirm(alices.start())
    page = alices.come_back(address)["Location"]
    alices.client.post(page, {"ad_accounts": [EU, US]})
    alices.start()
    assert alices.come_back(address).status_code == 400
    assert alices.connection().swap_until is not None


def test_a_change_ends_if_the_admin_comes_back_too_late(alices, step):
    address = alices.confirm(alices.start())
    OAuthState.objects.update(created_at=timezone.now() - oauth.STATE_LIFETIME)
    assert alices.come_back(address).status_code == 400
    assert alices.connection().swap_until is None


def test_an_abandoned_change_ends_by_itself(alices, step):
    alices.start()
    lapse()
    assert synced(step) == 3
    assert alices.connection().swap_until is None


def test_a_change_that_a_wrong_clock_wrote_ends(alices, step):
    alices.start()
    Connection.objects.update(swap_until=timezone.now() + timedelta(days=9))
    assert synced(step) == 3


def test_no_time_of_the_retry_window_is_lost(alices, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now + timedelta(minutes=5))
    alices.start()
    later = now + timedelta(minutes=10)
    flush.age_blocked(now=later)
    assert Batch.objects.get().state == "pending"
    park.end_swap(alices.connection().pk, now=later)
    batch = Batch.objects.get()
    assert timedelta(minutes=14) < batch.deadline_at - now <= timedelta(minutes=15)
    park.end_swap(alices.connection().pk, now=later + timedelta(hours=1))
    assert Batch.objects.get().deadline_at == batch.deadline_at


def test_a_deadline_that_passes_meanwhile_breaks_no_law(alices, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now, deadline_at=now + timedelta(minutes=1))
    alices.start()
    later = now + timedelta(minutes=15)
    assert not list(laws.broken(now=later))
    assert list(laws.broken(now=later + timedelta(hours=1)))  # a hold that never ends is found


def test_a_left_out_account_is_not_errored_meanwhile(alices, step):
    now = timezone.now()
    Batch.objects.update(first_failed_at=now - timedelta(hours=2), deadline_at=now)
    step.audience.ad_account.is_chosen = False
    step.audience.ad_account.save()
    alices.start()
    flush.age_blocked(now=now + timedelta(minutes=1))
    assert Batch.objects.get().state == "pending"
    park.end_swap(alices.connection().pk, now=now)
    flush.age_blocked(now=now + timedelta(minutes=1))
    assert Batch.objects.get().state == "errored"


def test_a_process_that_dies_before_the_checks_holds_people_for_minutes(alices, step, monkeypatch):
    page = alices.authorise()
    monkeypatch.setattr(park, "end_swap", lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        alices.client.post(page, {"ad_accounts": [EU, US]})
    until = alices.connection().swap_until
    assert until - timezone.now() <= park.MAX_SWAP_CHECK
    monkeypatch.undo()
    flush.park.end_lapsed_swaps(now=until)
    assert synced(step) == 3


def test_a_disconnect_ends_the_change(alices, step):
    alices.start()
    alices.client.post(alices.url("disconnect_partner"), {"people": "wait"})
    assert alices.connection().swap_until is None


def test_a_disconnect_while_another_admin_saves_ad_accounts(alices, audience):
    page, begun = alices.authorise(), []

    def disconnect_first(execute, sql, params, many, context):
        if "partners_sync" in sql and not begun:
            begun.append(sql)
            connect.disconnect(alices.connection(), discard=False, by=None, now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(disconnect_first):
        assert alices.client.post(page, {"ad_accounts": [EU, US]}).status_code == 400
    assert begun
    assert not alices.connection().is_connected


def test_the_disconnect_page_says_what_happens_to_each(alices, step):
    page = alices.client.get(alices.url("disconnect_partner")).content.decode()
    assert "Stops. People who wait are sent if it is connected again within" in page
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=timezone.now())
    page = alices.client.get(alices.url("disconnect_partner")).content.decode()
    assert "before this time; otherwise they count as errored" in " ".join(page.split())


def test_only_admins_change_and_cancel(alices, step, signed_in, bob):
    bobs = signed_in(bob)
    assert bobs.get(alices.url("change_account")).status_code == 403
    assert bobs.post(alices.url("cancel_change")).status_code == 403
