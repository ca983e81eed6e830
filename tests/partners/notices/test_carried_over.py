"""The migration from ``alerted_at``: no one is mailed twice, and the end is mailed."""

import importlib

import pytest
from django.apps import apps
from django.utils import timezone

from partners.models import Audience, Connection, Incident, Notice
from partners.notices import alerts
from tests.support import builder

pytestmark = pytest.mark.django_db
migration = importlib.import_module("partners.migrations.0023_carry_over_alerts")


@pytest.fixture
def mailed(acme, alice):
    """A refused token that Alice was mailed about by the former version."""
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    builder.make_sync(audience)
    Connection.objects.update(parked_by="token", alerted_at=timezone.now())
    migration.carry_over(apps, None)


def test_a_trouble_that_was_mailed_is_not_mailed_again(mailed, mailoutbox):
    alerts.send_due(now=timezone.now())
    assert mailoutbox == []
    Connection.objects.update(parked_by="")
    alerts.send_due(now=timezone.now())
    assert [mail.subject for mail in mailoutbox] == ["TikTok works again in Acme"]


def test_a_second_run_adds_nothing(mailed):
    migration.carry_over(apps, None)
    assert (Incident.objects.count(), Notice.objects.count()) == (1, 1)


def test_the_way_back_marks_the_place(mailed):
    Connection.objects.update(alerted_at=None)
    migration.carry_back(apps, None)
    assert Connection.objects.get().alerted_at == Notice.objects.get().sent_at
