"""A mail warns six hours and one hour before pending people become errored, once each."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import pytest
from django.db import connections
from django.utils import timezone

from partners.models import Batch, Connection, Sync
from partners.notices import alerts

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("amid_an_hour")]


@pytest.fixture
def ends_in(world, alice, settings):
    """ends_in(hours): set the deadline of a thousand pending people."""
    settings.SYNC = settings.SYNC | {"deadline": 13 * 3600.0}
    Connection.objects.update(connected_by=alice)
    world.enter(world.create_sync(), world.create_people(1000))

    def change(hours):
        Batch.objects.update(deadline_at=timezone.now() + timedelta(hours=hours, seconds=30))

    return change


def warn():
    return alerts.send_due(now=timezone.now())


@pytest.mark.parametrize(
    ("hours", "words"), [(5, ", in 5\xa0hours, because"), (0.5, ", in 30\xa0minutes, because")]
)
def test_the_mail_names_people_and_deadline(ends_in, mailoutbox, hours, words):
    ends_in(hours)
    warn()
    [mail] = mailoutbox
    assert mail.to == ["alice@example.org"]
    assert mail.subject == "People will soon count as errors in Acme"
    at = timezone.localtime(Batch.objects.get().deadline_at, UTC)
    assert mail.body.startswith(
        f"1,000 people begin to count as errored on {at:%-d %b, %H:%M}{words}"
    )


def test_no_mail_more_than_six_hours_ahead(ends_in, mailoutbox):
    ends_in(7)
    assert warn() == 0
    assert mailoutbox == []


def test_each_level_is_mailed_once(ends_in, mailoutbox):
    for hours in (5, 4, 0.9, 0.5):
        ends_in(hours)
        warn()
    assert len(mailoutbox) == 2


def test_no_six_hour_mail_after_the_one_hour_mail(ends_in, mailoutbox):
    ends_in(0.5)
    warn()
    ends_in(5)
    warn()
    assert len(mailoutbox) == 1


def test_paused_syncs_are_not_mailed(ends_in, mailoutbox):
    ends_in(1)
    Sync.objects.update(paused=True)
    assert warn() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_only_one_of_four_workers_mails(ends_in, mailoutbox):
    ends_in(1)

    def work(_):
        try:
            return warn()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1
    assert len(mailoutbox) == 1
