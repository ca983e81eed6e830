"""Each trouble has one open incident, which begins and ends with it, however many workers look."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from audiencesync.core import crypto
from partners.connections import connect
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Batch, Connection, Incident
from partners.queue import park
from tests.support import builder

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(acme):
    """A live Sync of a connected ad account."""
    account = builder.add_account(builder.connect(acme))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    return builder.make_sync(audience)


def run():
    reconcile.run(now=timezone.now())


def opened():
    return sorted(row.code for row in Incident.objects.open())


@pytest.mark.parametrize(
    ("model", "change", "code", "place"),
    [
        (Connection, {"token_sealed": ""}, "not_connected", "connection"),
        (Connection, {"parked_by": "token"}, "token_refused", "connection"),
        (AdAccount, {"is_chosen": False}, "ad_account_disconnected", "ad_account"),
        (AdAccount, {"parked_by": "ad_account"}, "ad_account_refused", "ad_account"),
        (Audience, {"gone_at": timezone.now()}, "audience_gone", "audience"),
        (Audience, {"is_appendable": False}, "audience_not_appendable", "audience"),
    ],
)
def test_an_incident_begins_and_ends_with_its_trouble(step, model, change, code, place):
    before = model.objects.values(*change).get()
    model.objects.update(**change)
    run()
    run()
    [row] = Incident.objects.all()
    assert (row.code, row.place, row.app_group) == (code, place, step.app_group)

    model.objects.update(**before)
    run()
    run()
    assert opened() == []
    assert Incident.objects.get().ended_at is not None


def test_a_trouble_that_comes_back_is_another_incident(step):
    for parked_by in ("token", "", "token"):
        Connection.objects.update(parked_by=parked_by)
        run()
    assert Incident.objects.count() == 2
    assert opened() == ["token_refused"]


def test_a_trouble_that_no_live_canvas_has_is_none(step):
    type(step).objects.update(is_live=False)
    Connection.objects.update(parked_by="token")
    run()
    assert opened() == []


def test_a_disconnect_is_one_incident_though_its_ad_accounts_are_disconnected_too(step, alice):
    connect.disconnect(Connection.objects.get(), discard=False, by=alice, now=timezone.now())
    run()
    assert opened() == ["not_connected"]


def test_a_refused_ad_account_stays_an_incident_behind_a_disconnect(step, alice):
    AdAccount.objects.update(is_chosen=False)
    run()
    Connection.objects.update(token_sealed="")
    run()
    assert opened() == ["ad_account_disconnected", "not_connected"]


def test_a_changed_cause_ends_one_incident_and_begins_another(step):
    Connection.objects.update(parked_by="token")
    run()
    Connection.objects.update(token_sealed="", parked_by="")
    run()
    assert opened() == ["not_connected"]
    assert Incident.objects.ended().get().code == "token_refused"


def test_the_troubles_of_an_archived_group_end(step):
    Connection.objects.update(parked_by="token")
    run()
    type(step.app_group).objects.update(archived_at=timezone.now())
    run()
    assert opened() == []


def test_a_park_opens_an_incident_at_once_and_a_probe_ends_it(
    step, django_capture_on_commit_callbacks
):
    connection = Connection.objects.get()
    with django_capture_on_commit_callbacks(execute=True):
        park.park_connection(connection, "40105", timezone.now())
    assert opened() == ["token_refused"]
    with django_capture_on_commit_callbacks(execute=True):
        park.unpark(connection)
    assert opened() == []


def test_the_keys_of_one_machine_make_no_incident_until_people_wait(step, people_of):
    Connection.objects.update(token_sealed="v1.gone.AAAA.AAAA")
    run()
    assert opened() == []
    builder.enter(step, people_of(3))
    failed = timezone.now() - timedelta(minutes=2)
    Batch.objects.update(last_code="sealed", first_failed_at=failed)
    run()
    assert opened() == ["sealed"]
    Batch.objects.update(last_code="")  # they were errored; the key is missing as before
    run()
    assert opened() == ["sealed"]


def test_people_are_counted_now_and_at_most(step, people_of):
    Connection.objects.update(parked_by="token")
    builder.enter(step, people_of(3))
    run()
    [row] = Incident.objects.all()
    assert (row.people, row.most_people) == (3, 3)
    assert row.deadline_at is not None
    Batch.objects.update(n=2)
    run()
    row.refresh_from_db()
    assert (row.people, row.most_people) == (2, 3)


def test_an_incident_is_at_exactly_one_place(step):
    row = Incident(app_group=step.app_group, code="x", begun_at=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()
    row.audience, row.connection = step.audience, Connection.objects.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save()


def test_a_quiet_look_costs_ten_queries_for_any_number_of_groups(
    step, other_group, django_assert_num_queries
):
    account = builder.add_account(builder.connect(other_group), "7", "Umbrella")
    audience = Audience.objects.create(ad_account=account, remote_id="9", name="cold")
    builder.make_sync(audience)
    with django_assert_num_queries(10):
        run()


def test_open_incidents_cost_a_constant_number_of_queries(
    step, other_group, django_assert_num_queries, people_of
):
    builder.enter(step, people_of(3))
    account = builder.add_account(builder.connect(other_group), "7", "Umbrella")
    builder.make_sync(Audience.objects.create(ad_account=account, remote_id="9", name="cold"))
    Connection.objects.update(parked_by="token")
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=timezone.now())
    run()
    assert Incident.objects.open().count() == 2
    with django_assert_num_queries(11):
        run()


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_four_workers_open_one_incident_and_end_it_once(step):
    def look(_):
        try:
            run()
        finally:
            connections.close_all()

    for parked_by in ("token", "", "token", ""):
        Connection.objects.update(parked_by=parked_by)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(look, range(4)))
    assert Incident.objects.ended().count() == Incident.objects.count() == 2


def test_a_refused_token_is_one_incident_also_on_a_machine_without_its_key(step, settings):
    keys = settings.TOKEN_KEYS
    Connection.objects.update(parked_by="token", parked_code="40105")
    for there in (keys, [crypto.new_key("other")], keys):
        settings.TOKEN_KEYS = there
        run()
    assert [row.code for row in Incident.objects.all()] == ["token_refused"]
