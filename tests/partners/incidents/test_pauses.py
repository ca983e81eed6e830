"""A threshold that is passed, met and passed again is one incident, with one message each."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from partners.incidents import reconcile
from partners.models import Audience, Incident, Notice, TallyHour, Thresholds, Webhook, WebhookCall
from partners.notices import alerts, webhooks
from tests.support import builder
from tests.support.threads import Threads

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(acme, alice):
    """A live Sync with 25 errored people of this hour; a webhook."""
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    sync = builder.make_sync(audience)
    TallyHour.objects.create(sync=sync, hour=timezone.now(), errored=25)
    row = Webhook(app_group=acme, url="https://hooks.example.org/")
    row.renew_secret()
    row.save()
    return sync


def share(*, is_high):
    """Let the errored people be many or few of all, and look."""
    TallyHour.objects.update(synced=100 if is_high else 9000)
    reconcile.run(now=timezone.now())


def age(**ago):
    Incident.objects.update(ended_at=F("ended_at") - timedelta(**ago))


def events():
    return list(WebhookCall.objects.order_by("pk").values_list("kind", flat=True))


def test_a_share_around_its_threshold_is_one_incident(step):
    for is_high in (True, False, True, False, True):
        share(is_high=is_high)
    assert [row.ended_at for row in Incident.objects.all()] == [None]


def test_an_incident_that_comes_back_keeps_its_begin(step):
    share(is_high=True)
    begun = Incident.objects.get().begun_at
    share(is_high=False)
    share(is_high=True)
    assert Incident.objects.get().begun_at == begun


def test_one_that_comes_back_later_is_another(step):
    share(is_high=True)
    share(is_high=False)
    age(hours=1, minutes=1)
    share(is_high=True)
    assert Incident.objects.count() == 2


def test_mails_and_webhook_say_begin_and_end_once(step, mailoutbox):
    for is_high in (True, False, True, False):
        share(is_high=is_high)
        alerts.send_due(now=timezone.now())
    assert (len(mailoutbox), events()) == (1, ["begun"])
    age(hours=1, minutes=3)
    for _look in range(2):
        alerts.send_due(now=timezone.now())
    assert [mail.subject.split()[0] for mail in mailoutbox] == ["TikTok", "Over"]
    assert events() == ["begun", "over"]


def test_the_end_is_not_notified_while_it_may_come_back_on_another_machine(step):
    share(is_high=True)
    webhooks.enqueue(now=timezone.now())
    share(is_high=False)
    age(hours=1, minutes=1)
    webhooks.enqueue(now=timezone.now())
    assert events() == ["begun"]


def test_no_end_is_mailed_while_the_threshold_is_passed_again(step, mailoutbox):
    share(is_high=True)
    alerts.send_due(now=timezone.now())
    share(is_high=False)
    age(hours=1, minutes=1)
    share(is_high=True)  # too late to be the same incident
    alerts.send_due(now=timezone.now())
    age(minutes=2)
    alerts.send_due(now=timezone.now())
    assert [mail.subject.split()[0] for mail in mailoutbox] == ["TikTok", "TikTok"]

    share(is_high=False)
    age(hours=1, minutes=3)
    alerts.send_due(now=timezone.now())
    assert [mail.subject.split()[0] for mail in mailoutbox[2:]] == ["Over"]


def test_a_changed_threshold_repeats_no_message(step, acme, mailoutbox):
    share(is_high=True)
    alerts.send_due(now=timezone.now())
    for percent in (90, 10, 90, 10):
        Thresholds.objects.update_or_create(app_group=acme, defaults={"error_percent": percent})
        alerts.send_due(now=timezone.now())
    assert len(mailoutbox) == Notice.objects.count() == Incident.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_four_workers_open_a_paused_incident_again_once(step):
    for is_high in (True, False, True, False, True):
        TallyHour.objects.update(synced=100 if is_high else 9000)
        workers = Threads()
        for _worker in range(4):
            workers.start(lambda: reconcile.run(now=timezone.now()))
        assert workers.join() == []
    assert [row.ended_at for row in Incident.objects.all()] == [None]
