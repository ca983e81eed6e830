"""Thresholds that become incidents: error share, 390 of 400 audiences, an audience too small."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from partners.health import lines
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Batch, Incident, Tally, TallyHour, Thresholds
from partners.notices import alerts
from tests.support import builder

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(acme, alice):
    """A live Sync of a connected ad account."""
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    return builder.make_sync(audience, label="Cart: winback", url="/g/acme/canvases/7/?step=9")


def found(group):
    """Return the open incidents as code -> line."""
    reconcile.run(now=timezone.now())
    return {line.problem.code: line for line in lines.of_group(group)}


def hour(step, *, hours=0.0, **counts):
    at = timezone.now() - timedelta(hours=hours)
    TallyHour.objects.create(sync=step, hour=at, **counts)
    total, _is_new = Tally.objects.get_or_create(sync=step)
    for name, n in counts.items():
        setattr(total, name, getattr(total, name) + n)
        total.entered += n
    total.save()


@pytest.mark.parametrize(
    ("errored", "synced", "hours", "is_told"),
    [(25, 100, 0, True), (25, 1000, 0, False), (19, 10, 0, False), (25, 100, 3, False)],
)
def test_a_share_of_errored_people_is_an_incident(step, acme, errored, synced, hours, is_told):
    hour(step, hours=hours, errored=errored, synced=synced)
    assert ("error_share" in found(acme)) is is_told


def test_the_error_share_leads_to_the_step_and_ends(step, acme):
    hour(step, errored=25, synced=100)
    line = found(acme)["error_share"]
    assert line.title == "Many people of Cart: winback count as errored"
    assert "More than 5 % of the people" in line.problem.text
    assert line.problem.url == "/g/acme/canvases/7/?step=9"
    assert not line.is_danger
    hour(step, hours=0.5, synced=9000)
    assert found(acme) == {}
    assert Incident.objects.get().ended_at


@pytest.mark.parametrize(("n", "is_told"), [(389, False), (390, True), (400, True)])
def test_an_ad_account_that_fills_up_is_an_incident(step, acme, n, is_told):
    AdAccount.objects.update(n_audiences=n)
    lines_of = found(acme)
    assert ("audiences_nearly_full" in lines_of) is is_told
    if is_told:
        assert f"has {n} of 400 audiences" in lines_of["audiences_nearly_full"].problem.text


@pytest.mark.parametrize(
    ("size", "hours", "is_told"), [(999, 49, True), (999, 40, False), (1000, 49, False)]
)
def test_an_audience_too_small_after_two_days_is_an_incident(step, acme, size, hours, is_told):
    Audience.objects.update(size=size)
    hour(step, hours=hours, synced=999)
    assert ("audience_small" in found(acme)) is is_told


def test_an_audience_is_too_small_although_its_hours_are_no_longer_kept(step, acme):
    Audience.objects.update(size=999)
    hour(step, hours=49, synced=999)
    TallyHour.objects.all().delete()
    assert "audience_small" in found(acme)


def test_a_threshold_is_mailed_at_begin_and_end(step, mailoutbox):
    AdAccount.objects.update(n_audiences=395)
    alerts.send_due(now=timezone.now())
    AdAccount.objects.update(n_audiences=300)
    alerts.send_due(now=timezone.now())
    assert len(mailoutbox) == 1  # it may come back
    Incident.objects.update(ended_at=F("ended_at") - timedelta(hours=1, minutes=3))
    alerts.send_due(now=timezone.now())
    what = "The ad account Acme EU has hardly room for audiences"
    assert [mail.subject for mail in mailoutbox] == [
        f"TikTok needs attention in Acme: {what}",
        f"Over in Acme: {what}",
    ]


def test_each_group_has_its_own_thresholds(step, acme):
    Thresholds.objects.create(
        app_group=acme, error_percent=50, audiences_left=2, fewest_people=500, backlog_minutes=600
    )
    hour(step, errored=25, synced=100)
    hour(step, hours=49, synced=900)
    AdAccount.objects.update(n_audiences=397)
    Audience.objects.update(size=600)
    assert found(acme) == {}
    Thresholds.objects.update(error_percent=10)
    acme.refresh_from_db()
    assert "More than 10 % of the people" in found(acme)["error_share"].problem.text
    AdAccount.objects.update(n_audiences=398)
    Audience.objects.update(size=499)
    lines_of = found(acme)
    assert {"audiences_nearly_full", "audience_small"} < set(lines_of)
    assert "your app group asks for 500" in lines_of["audience_small"].problem.text


def test_the_thresholds_of_another_group_change_nothing(step, acme, other_group):
    Thresholds.objects.create(app_group=other_group, error_percent=100, backlog_minutes=700)
    hour(step, errored=25, synced=100)
    assert "error_share" in found(acme)


@pytest.mark.parametrize(("minutes", "is_told"), [(None, True), (20, True), (90, False)])
def test_a_group_says_how_long_requests_may_fail(step, acme, people_of, minutes, is_told):
    Thresholds.objects.create(app_group=acme, backlog_minutes=minutes)
    builder.enter(step, people_of(1))
    failed = timezone.now() - timedelta(minutes=70)
    Batch.objects.update(first_failed_at=failed, deadline_at=failed + timedelta(hours=13))
    assert ("backlog" in found(acme)) is is_told


def test_zero_and_a_hundred_never_warn(step, acme):
    Thresholds.objects.create(app_group=acme, error_percent=100, fewest_people=0)
    hour(step, errored=25, synced=0)
    hour(step, hours=49, synced=9)
    Audience.objects.update(size=3)
    assert found(acme) == {}
