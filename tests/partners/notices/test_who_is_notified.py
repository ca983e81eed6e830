"""Who is notified of an incident: authors of step trouble, admins of the rest, and by choice."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.utils import timezone

from audiencesync.groups.models import Membership, Role, User
from canvases.models import Canvas, Step
from partners.models import AdAccount, Audience, Batch, Connection, Incident, Notice, NoticeChoice
from partners.notices import alerts
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("amid_an_hour")]


@pytest.fixture
def step(acme, alice, bob, vera):
    """A live step of Bob's canvas; Alice, the admin, has connected."""
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    sync = builder.make_sync(audience, label="Cart: winback", url="/g/acme/canvases/7/?step=9")
    canvas = Canvas.objects.create(app_group=acme, name="Cart", created_by=bob)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    return sync


@pytest.fixture
def notified(mailoutbox):
    def run():
        mailoutbox.clear()
        alerts.send_due(now=timezone.now())
        return sorted(mail.to[0].split("@")[0] for mail in mailoutbox)

    return run


def choose(user, **choices):
    member = Membership.objects.get(user=user)
    NoticeChoice.objects.update_or_create(membership=member, defaults=choices)


def lose_audience():
    Audience.objects.update(gone_at=timezone.now())


def lose_token():
    Connection.objects.update(parked_by="token")


def end_long_ago():
    """Let the pause be over in which a backlog may come back as the same incident."""
    Incident.objects.update(ended_at=F("ended_at") - timedelta(minutes=18))


def test_the_author_is_notified_first_of_step_trouble(step, notified):
    lose_audience()
    assert notified() == ["bob"]


def test_the_connecting_user_is_notified_when_the_author_has_left(step, notified, bob):
    Membership.objects.filter(user=bob).delete()
    lose_audience()
    assert notified() == ["alice"]


def test_an_author_who_may_only_read_is_not_notified(step, notified, bob):
    Membership.objects.filter(user=bob).update(role=Role.VIEWER)
    lose_audience()
    assert notified() == ["alice"]


def test_the_connecting_user_and_the_admins_are_notified_of_a_connection(step, notified, bob):
    Connection.objects.update(connected_by=bob)
    lose_token()
    assert notified() == ["alice", "bob"]


def test_a_member_may_choose_all_and_another_none(step, notified, vera, bob):
    choose(vera, steps="all")
    choose(bob, steps="none")
    lose_audience()
    assert notified() == ["vera"]
    lose_token()
    assert notified() == ["alice"]


def test_an_incident_without_a_reader_is_logged_and_mailed_later(step, notified, alice, caplog):
    choose(alice, connections="none")
    lose_token()
    assert notified() == []
    assert "has no recipient" in caplog.text
    choose(alice, connections="all")
    assert notified() == ["alice"]


def test_an_inactive_member_is_not_notified(step, notified, alice):
    User.objects.filter(pk=alice.pk).update(is_active=False)
    lose_token()
    assert notified() == []


def test_a_cured_step_is_over_for_its_author(step, notified, mailoutbox):
    lose_audience()
    notified()
    type(step).objects.update(is_live=False)  # another audience is chosen
    assert notified() == ["bob"]
    assert mailoutbox[0].subject == ("Over in Acme: audience winback does not exist any more")
    assert notified() == []


def test_a_stopped_canvas_is_no_recovery_of_a_connection(step, notified):
    lose_token()
    notified()
    type(step).objects.update(is_live=False)
    assert notified() == []
    Connection.objects.update(parked_by="")
    assert notified() == ["alice"]


def test_one_mail_ends_a_refusal_that_was_followed_by_a_disconnect(step, notified, people_of):
    sealed = Connection.objects.get().token_sealed
    builder.enter(step, people_of(3))
    lose_token()
    assert notified() == ["alice"]
    soon = timezone.now() + timedelta(hours=5)
    Batch.objects.update(deadline_at=soon)
    assert notified() == ["alice"]
    Connection.objects.update(token_sealed="", parked_by="")
    assert notified() == ["alice"]  # the reminder, now of the disconnect
    Connection.objects.update(token_sealed=sealed)
    assert notified() == ["alice"]
    assert notified() == []


def test_requests_that_fail_for_long_are_mailed_as_a_backlog(step, notified, people_of, mailoutbox):
    builder.enter(step, people_of(3))
    ends_at = timezone.now() + timedelta(hours=11)
    Batch.objects.update(first_failed_at=timezone.now(), deadline_at=ends_at)
    assert notified() == []
    Batch.objects.update(first_failed_at=timezone.now() - timedelta(hours=2))
    assert notified() == ["alice"]
    assert "People wait too long for the ad account Acme EU" in mailoutbox[0].subject
    assert "People not accepted by" in mailoutbox[0].body
    Batch.objects.update(n=0, state="synced")
    assert notified() == []  # it may come back
    end_long_ago()
    assert notified() == ["alice"]


def test_a_backlog_whose_people_were_errored_is_no_recovery(step, notified, people_of, mailoutbox):
    builder.enter(step, people_of(3))
    Batch.objects.update(first_failed_at=timezone.now() - timedelta(hours=2))
    notified()
    now = timezone.now()
    Batch.objects.update(state="errored", settled_at=now, deadline_at=now)
    notified()
    end_long_ago()
    alerts.send_due(now=timezone.now())
    assert [mail.subject for mail in mailoutbox] == ["People were not sent to TikTok in Acme"]


def test_a_disconnect_is_mailed_only_while_people_run_out_of_time(step, notified, people_of):
    AdAccount.objects.update(is_chosen=False)
    builder.enter(step, people_of(3))
    assert notified() == []
    Batch.objects.update(deadline_at=timezone.now() + timedelta(minutes=30))
    assert notified() == ["alice"]
    assert list(Notice.objects.values_list("kind", flat=True)) == ["1h"]
