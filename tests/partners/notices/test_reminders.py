"""Members are reminded of people who are errored soon: once six hours and once one hour before."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from partners.models import (
    AdAccount,
    Audience,
    Batch,
    Connection,
    Incident,
    Notice,
    Tally,
    TallyHour,
    Thresholds,
    Webhook,
    WebhookCall,
)
from partners.notices import alerts
from tests.support import builder
from tests.support.threads import Threads

pytestmark = pytest.mark.django_db
REMINDERS = ("6h", "1h")


@pytest.fixture
def step(acme, alice, people_of, settings):
    """A live Sync with three people whose retry window runs; a webhook."""
    settings.SYNC = settings.SYNC | {"deadline": 13 * 3600.0}
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    sync = builder.make_sync(audience)
    builder.enter(sync, people_of(3))
    row = Webhook(app_group=acme, url="https://hooks.example.org/")
    row.renew_secret()
    row.save()
    return sync


def look(hours):
    """Write what is due if the people are errored in this many hours."""
    now = timezone.now()
    ends_at = now + timedelta(hours=hours)
    Batch.objects.update(first_failed_at=ends_at - timedelta(hours=13), deadline_at=ends_at)
    alerts.send_due(now=now)


def reminded(model):
    """Return the reminders as pairs of a code and a kind."""
    rows = model.objects.filter(kind__in=REMINDERS).order_by("pk")
    return [(row.incident.code, row.kind) for row in rows.select_related("incident")]


def both():
    return reminded(Notice), reminded(WebhookCall)


def test_a_threshold_reminds_of_no_one(step, mailoutbox):
    """Only the backlog holds these people, though all three are at their places."""
    TallyHour.objects.create(sync=step, hour=timezone.now(), errored=25, synced=100)
    # Nine of them were synced long ago.
    Tally.objects.update(entered=F("entered") + 134, errored=25, synced=109)
    Audience.objects.update(size=9)
    AdAccount.objects.update(n_audiences=395)
    for hours in (5, 0.5):
        look(hours)
    assert Incident.objects.open().count() == 4
    assert both() == ([("backlog", "6h"), ("backlog", "1h")],) * 2
    assert len(mailoutbox) == 5
    assert Incident.objects.exclude(code="backlog").filter(people__gt=0).count() == 0


def test_the_widest_incident_reminds_alone(step):
    Audience.objects.update(gone_at=timezone.now())
    look(8)
    AdAccount.objects.update(parked_by="ad_account")
    look(7)
    Connection.objects.update(parked_by="token")
    for hours in (5, 0.5):
        look(hours)
    assert Incident.objects.open().count() == 3
    assert both() == ([("token_refused", "6h"), ("token_refused", "1h")],) * 2


def test_a_refused_ad_account_reminds_and_not_its_backlog(step):
    look(8)
    AdAccount.objects.update(parked_by="ad_account")
    look(5)
    assert sorted(row.code for row in Incident.objects.open()) == ["ad_account_refused", "backlog"]
    assert both() == ([("ad_account_refused", "6h")],) * 2


def test_what_is_left_reminds_when_the_wider_one_is_over(step):
    AdAccount.objects.update(parked_by="ad_account")
    look(8)
    Connection.objects.update(parked_by="token")
    look(7)
    Connection.objects.update(parked_by="")
    look(5)
    assert both() == ([("ad_account_refused", "6h")],) * 2


def test_a_deadline_that_moves_repeats_no_reminder(step):
    for hours in (5, 9, 5.5, 0.5, 9, 5, 0.5):
        look(hours)
    assert both() == ([("backlog", "6h"), ("backlog", "1h")],) * 2


def test_a_threshold_that_moves_repeats_no_reminder(step, acme):
    for minutes in (20, 700, 20):
        Thresholds.objects.update_or_create(app_group=acme, defaults={"backlog_minutes": minutes})
        for hours in (9, 5, 9):
            look(hours)
    assert Incident.objects.count() == 1
    assert both() == ([("backlog", "6h")],) * 2


def test_there_is_no_reminder_of_six_hours_after_that_of_one_hour(step):
    for hours in (0.5, 5):
        look(hours)
    assert both() == ([("backlog", "1h")],) * 2


def test_the_end_does_not_promise_people_whom_another_incident_holds(step, mailoutbox):
    AdAccount.objects.update(parked_by="ad_account")
    look(8)
    Connection.objects.update(parked_by="token")
    look(8)
    Connection.objects.update(parked_by="")
    look(8)
    assert "this is over" in mailoutbox[-1].body
    assert "sent now" not in mailoutbox[-1].body


def test_a_warning_at_the_same_place_does_not_keep_the_end_of_a_refusal(step, mailoutbox):
    AdAccount.objects.update(n_audiences=395, parked_by="ad_account")
    alerts.send_due(now=timezone.now())
    AdAccount.objects.update(parked_by="")
    alerts.send_due(now=timezone.now())
    assert [mail.subject for mail in mailoutbox][2:] == ["TikTok works again in Acme"]


def test_a_refusal_does_not_keep_the_end_of_a_warning(step, mailoutbox):
    AdAccount.objects.update(n_audiences=395, parked_by="ad_account")
    alerts.send_due(now=timezone.now())
    AdAccount.objects.update(n_audiences=300)
    alerts.send_due(now=timezone.now())
    Incident.objects.update(ended_at=F("ended_at") - timedelta(hours=2))
    alerts.send_due(now=timezone.now())
    [over] = mailoutbox[2:]
    assert over.subject == "Over in Acme: The ad account Acme EU has hardly room for audiences"


def test_the_mail_of_a_warning_names_no_people_who_wait(step, mailoutbox):
    AdAccount.objects.update(n_audiences=395)
    alerts.send_due(now=timezone.now())
    [mail] = mailoutbox
    assert "- x: http" in mail.body
    assert "3 people" not in mail.body


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_four_workers_remind_once_of_people_whom_two_incidents_hold(step, mailoutbox):
    AdAccount.objects.update(parked_by="ad_account")
    look(8)
    Connection.objects.update(parked_by="token")
    look(7)
    mailoutbox.clear()
    for hours in (5, 0.5):
        ends_at = timezone.now() + timedelta(hours=hours)
        Batch.objects.update(deadline_at=ends_at)
        workers = Threads()
        for _worker in range(4):
            workers.start(lambda: alerts.send_due(now=timezone.now()))
        assert workers.join() == []
    assert len(mailoutbox) == 2
    assert both() == ([("token_refused", "6h"), ("token_refused", "1h")],) * 2
