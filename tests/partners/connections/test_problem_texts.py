"""The text of a problem names the deadline in the group's time zone and the people affected."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from partners.connections import problems
from partners.health import lines
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Batch, Connection, Sync

pytestmark = pytest.mark.thorough

ENDS_AT = datetime(2026, 11, 29, 1, 7, tzinfo=UTC)  # 02:07 in Berlin


@pytest.fixture
def waiting_world(world):
    """2,759 pending people; the first deadline is 02:07 in Berlin."""
    world.app_group.time_zone = "Europe/Berlin"
    world.app_group.save()
    world.sync_row = world.create_sync()
    for n, ends_at in ((2757, ENDS_AT), (2, ENDS_AT + timedelta(hours=3))):
        world.enter(world.sync_row, world.create_people(n))
        Batch.objects.filter(deadline_at=None).update(
            first_failed_at=timezone.now(), deadline_at=ends_at
        )
    return world


def text(sync_row):
    fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=sync_row.pk)
    return problems.of_sync(fresh).text


PROBLEMS = [
    (Connection, {"parked_by": "token"}, "Reconnect TikTok by 29 Nov, 02:07."),
    (Connection, {"token_sealed": ""}, "Connect TikTok by 29 Nov, 02:07."),
    (Connection, {"token_sealed": "v1.gone.AAAA.AAAA"}, "add that key by 29 Nov, 02:07;"),
    (AdAccount, {"is_chosen": False}, "Choose it again with Change account by 29 Nov, 02:07."),
    (AdAccount, {"parked_by": "ad_account"}, "Check at TikTok by 29 Nov, 02:07 that it is active"),
    (
        Audience,
        {"gone_at": ENDS_AT},
        "Choose or create another one in the component by 29 Nov, 02:07:",
    ),
    (
        Audience,
        {"is_appendable": False},
        "Choose or create another one in the component by 29 Nov, 02:07:",
    ),
]


@pytest.mark.parametrize(("model", "change", "words"), PROBLEMS)
def test_a_problem_names_deadline_and_pending_people(waiting_world, model, change, words):
    model.objects.update(**change)
    assert words in text(waiting_world.sync_row)
    assert "Otherwise 2,759 people count as errored." in text(waiting_world.sync_row)


@pytest.mark.parametrize(("model", "change", "words"), PROBLEMS)
def test_a_problem_without_pending_people_says_so(world, model, change, words):
    sync_row = world.create_sync()
    model.objects.update(**change)
    assert (
        "No one is waiting yet; people who come meanwhile count as errored 60 minutes later."
        in text(sync_row)
    )
    assert "29 Nov" not in text(sync_row)


def test_a_problem_in_german(waiting_world):
    Connection.objects.update(parked_by="token")
    with translation.override("de"):
        assert "Verbinden Sie TikTok bis 29.11., 02:07 Uhr neu." in text(waiting_world.sync_row)
        assert "Sonst zählen 2.759 Nutzer:innen als Fehler." in text(waiting_world.sync_row)


def test_the_banner_counts_all_pending_people_of_the_connection(waiting_world):
    waiting_world.enter(
        waiting_world.create_sync(waiting_world.create_audience("other")),
        waiting_world.create_people(41),
    )
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    [found] = lines.banner(waiting_world.app_group)
    assert "Otherwise 2,800 people count as errored." in found.text
    assert "2,759" in text(waiting_world.sync_row)


def test_people_of_a_stopped_canvas_are_not_counted(waiting_world):
    Sync.objects.update(paused=True)
    Connection.objects.update(parked_by="token")
    assert "No one is waiting yet" in text(waiting_world.sync_row)
