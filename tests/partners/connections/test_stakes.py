"""Every trouble says what happens without action, until when on the clock of the group, and to how many people."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone, translation

from partners.connections import problems
from partners.models import AdAccount, Audience, Batch, Connection, Sync

ENDS_AT = datetime(2026, 11, 29, 1, 7, tzinfo=UTC)  # 02:07 in Berlin


@pytest.fixture
def waiting(world):
    """2,759 people wait; the time of the first of them ends at 02:07 in Berlin, that of two others later."""
    world.app_group.time_zone = "Europe/Berlin"
    world.app_group.save()
    world.asked = world.sync()
    for n, ends_at in ((2757, ENDS_AT), (2, ENDS_AT + timedelta(hours=3))):
        world.enter(world.asked, world.people(n))
        Batch.objects.filter(deadline_at=None).update(
            first_failed_at=timezone.now(), deadline_at=ends_at
        )
    return world


def text(asked):
    fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=asked.pk)
    return problems.of_sync(fresh, now=timezone.now()).text


TROUBLES = [
    (Connection, {"parked_by": "token"}, "Reconnect TikTok by 29 Nov, 02:07."),
    (Connection, {"token_sealed": ""}, "Connect TikTok by 29 Nov, 02:07."),
    (Connection, {"token_sealed": "v1.gone.AAAA.AAAA"}, "add that key by 29 Nov, 02:07;"),
    (AdAccount, {"is_chosen": False}, "Choose it again with Change account by 29 Nov, 02:07."),
    (AdAccount, {"parked_by": "ad_account"}, "Check at TikTok by 29 Nov, 02:07 that it is active"),
    (Audience, {"gone_at": ENDS_AT}, "Choose or create another one in the step by 29 Nov, 02:07:"),
    (
        Audience,
        {"is_appendable": False},
        "Choose or create another one in the step by 29 Nov, 02:07:",
    ),
]


@pytest.mark.parametrize(("model", "change", "words"), TROUBLES)
def test_a_trouble_says_until_when_and_how_many_count_as_errored(waiting, model, change, words):
    model.objects.update(**change)
    assert words in text(waiting.asked)
    assert "Otherwise 2,759 people count as errored." in text(waiting.asked)


@pytest.mark.parametrize(("model", "change", "words"), TROUBLES)
def test_a_trouble_for_which_nobody_waits_says_so(world, model, change, words):
    asked = world.sync()
    model.objects.update(**change)
    assert (
        "Nobody is waiting yet; people who come meanwhile count as errored 60 minutes later."
        in text(asked)
    )
    assert "29 Nov" not in text(asked)


def test_the_german_words(waiting):
    Connection.objects.update(parked_by="token")
    with translation.override("de"):
        assert "Verbinden Sie TikTok bis 29.11., 02:07 Uhr neu." in text(waiting.asked)
        assert "Sonst zählen 2.759 Nutzer:innen als Fehler." in text(waiting.asked)


def test_the_banner_counts_everybody_behind_the_connection(waiting):
    waiting.enter(waiting.sync(waiting.audience("other")), waiting.people(41))
    Connection.objects.update(parked_by="token")
    [found] = problems.broken_connections(waiting.app_group, now=timezone.now())
    assert "Otherwise 2,800 people count as errored." in found.text
    assert "2,759" in text(waiting.asked)


def test_people_of_a_stopped_canvas_do_not_count_their_time_stands_still(waiting):
    Sync.objects.update(paused=True)
    Connection.objects.update(parked_by="token")
    assert "Nobody is waiting yet" in text(waiting.asked)
