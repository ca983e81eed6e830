"""Housekeeping purges old rows and probes tokens without pending people."""

from datetime import timedelta

from django.utils import timezone
from django_q.models import Task

from partners import housekeeping
from partners.models import AudienceSize, Connection, Push


def test_old_pushes_and_tasks_are_purged(world):
    now = timezone.now()
    for days in (1, 40):
        at = now - timedelta(days=days)
        Push.objects.create(
            ad_account=world.eu, at=at, people=1, ids=1, ms=1, code="0", action="add"
        )
        Task.objects.create(id=str(days), name="x", func="x", started=at, stopped=at, success=False)
    housekeeping.beat()
    assert Push.objects.count() == 1
    assert list(Task.objects.values_list("id", flat=True)) == ["1"]


def test_old_sizes_of_audiences_are_deleted(world):
    audience, today = world.create_audience(), timezone.now().date()
    for days in (800, 700):
        day = today - timedelta(days=days)
        AudienceSize.objects.create(audience=audience, day=day, size=5)
    housekeeping.purge(now=timezone.now())
    assert [(today - one.day).days for one in AudienceSize.objects.all()] == [700]


def test_a_revoked_token_is_noticed_without_pending_people(world):
    world.create_sync()
    housekeeping.probe()
    assert Connection.objects.get().parked_by == ""
    assert Connection.objects.get().checked_at is not None
    world.sandbox.accounts.revoke(world.remote_token)
    Connection.objects.update(probed_at=timezone.now() - timedelta(minutes=1))
    housekeeping.probe()
    assert Connection.objects.get().parked_by == "token"


def test_unused_tokens_are_not_probed(world):
    world.create_sync()
    world.app_group.connections.get().ad_accounts.first().audiences.get().syncs.update(
        is_live=False
    )
    housekeeping.probe()
    assert world.sandbox.log.all() == []
