"""Thresholds that become incidents: error share, 390 of 400 audiences, an audience too small."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners.health import lines
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Incident, TallyHour
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
    return {line.problem.code: line for line in lines.of_group(group, now=timezone.now())}


def hour(step, *, hours=0.0, **counts):
    at = timezone.now() - timedelta(hours=hours)
    TallyHour.objects.create(sync=step, hour=at, **counts)


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


def test_a_threshold_is_mailed_at_begin_and_end(step, mailoutbox):
    AdAccount.objects.update(n_audiences=395)
    alerts.send_due(now=timezone.now())
    AdAccount.objects.update(n_audiences=300)
    alerts.send_due(now=timezone.now())
    what = "The ad account Acme EU has hardly room for audiences"
    assert [mail.subject for mail in mailoutbox] == [
        f"TikTok needs attention in Acme: {what}",
        f"Over in Acme: {what}",
    ]
