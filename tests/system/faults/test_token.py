"""F20, F21: TikTok no longer accepts our token, for a while or for longer than people may wait."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from canvases import engine
from partners import housekeeping, sync
from partners.models import Connection
from tests.canvases.conftest import Editor
from tests.conftest import proved_just_now
from tests.partners.conftest import Journey
from tests.system.faults.lawful import TRUE_TIMES, N
from tiktok_sandbox.seed import EU, UK

pytestmark = pytest.mark.slow


@pytest.fixture
def alices(town, settings, signed_in, alice):
    """What alice does with the mouse."""
    settings.TIKTOK_AUTH_URL = f"{town.server.url}/portal/auth"
    return Journey(signed_in(alice), town.app_group)


@pytest.fixture
def proved(alices, alice):
    """proved() -> alice types her password once more."""
    return lambda: proved_just_now(alices.client, alice)


def _mails(mailoutbox):
    for _ in range(2):
        housekeeping.beat()
    return [mail.subject for mail in mailoutbox]


def test_f20_a_reconnect_within_the_time_loses_nobody(town, pace, live, alices, proved, mailoutbox):
    pace(**TRUE_TIMES)
    engine.beat()
    town.sandbox.accounts.revoke_all()
    began = timezone.now()
    for half_hours in range(12):
        with time_machine.travel(began + timedelta(minutes=30 * half_hours)):
            town.beat()
            assert _mails(mailoutbox) == ["TikTok needs attention in Acme: access refused"]
    assert town.counts(live.sync) == {"entered": N, "pending": N}
    assert len(town.codes()) <= 12  # one try each time, however many wait
    with time_machine.travel(began + timedelta(hours=6)):
        proved()
        assert alices.connect(EU, UK).status_code == 302
        for _ in range(2):
            town.beat()
        assert town.counts(live.sync) == {"entered": N, "synced": N}
        assert _mails(mailoutbox) == [
            "TikTok needs attention in Acme: access refused",
            "TikTok works again in Acme",
        ]
        town.judge()


def test_f21_too_late_they_are_errored_and_the_button_sends_them_again(town, pace, live, alices):
    pace(deadline=2.0, probe=0.5)
    engine.beat()
    town.sandbox.accounts.revoke_all()
    town.settle()
    assert sync.reasons([live.sync_id]) == {"errored": {"40105": N}}
    buttons = Editor(alices.client, live.canvas)
    page = buttons.get(step=live.pk).content.decode()
    assert "no longer accepts our access" in page
    assert 'data-metric="errored"' in page
    alices.connect(EU, UK)
    assert buttons.post("step_retry", live.pk).status_code == 302
    assert town.counts(live.sync) == {"entered": N, "pending": N}
    town.settle()
    assert town.counts(live.sync) == {"entered": N, "synced": N}
    assert Connection.objects.get().parked_by == ""
    town.judge()
