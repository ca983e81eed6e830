"""F20, F21: TikTok refuses our token, for a while or past the deadline of the people."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from canvases import engine
from partners import housekeeping, sync
from partners.models import Connection
from tests.canvases.conftest import Editor
from tests.conftest import mark_reauthenticated
from tests.partners.conftest import ConnectFlow
from tests.system.faults.checked_world import N_PEOPLE, PRODUCTION_TIMES
from tiktok_sandbox.seed import EU, UK

pytestmark = pytest.mark.slow


@pytest.fixture
def partner_pages(world, settings, signed_in, alice):
    """Return the partner pages as alice uses them."""
    settings.TIKTOK_AUTH_URL = f"{world.server.url}/portal/auth"
    return ConnectFlow(signed_in(alice), world.app_group)


@pytest.fixture
def reauthenticate(partner_pages, alice):
    """reauthenticate() lets alice's session pass pages that ask for the password again."""
    return lambda: mark_reauthenticated(partner_pages.client, alice)


def _mail_subjects(mailoutbox):
    for _ in range(2):
        housekeeping.beat()
    return [mail.subject for mail in mailoutbox]


def test_f20_a_reconnect_before_the_deadline_syncs_all_people(
    world, set_sync_times, live_step, partner_pages, reauthenticate, mailoutbox
):
    set_sync_times(**PRODUCTION_TIMES)
    engine.beat()
    world.sandbox.accounts.revoke_all()
    started = timezone.now()
    for half_hours in range(12):
        with time_machine.travel(started + timedelta(minutes=30 * half_hours)):
            world.beat()
            assert _mail_subjects(mailoutbox) == ["TikTok needs attention in Acme: access refused"]
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert len(world.codes()) <= 12  # one probe each time, not one per person
    with time_machine.travel(started + timedelta(hours=6)):
        reauthenticate()
        assert partner_pages.connect(EU, UK).status_code == 302
        for _ in range(2):
            world.beat()
        assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
        assert _mail_subjects(mailoutbox) == [
            "TikTok needs attention in Acme: access refused",
            "TikTok works again in Acme",
        ]
        world.check_at_rest()


def test_f21_after_the_deadline_people_are_errored_and_the_retry_button_sends_them(
    world, set_sync_times, live_step, partner_pages
):
    set_sync_times(deadline=2.0, probe=0.5)
    engine.beat()
    world.sandbox.accounts.revoke_all()
    world.drain()
    assert sync.reasons([live_step.sync_id]) == {"errored": {"40105": N_PEOPLE}}
    set_sync_times(deadline=3600.0)
    editor = Editor(partner_pages.client, live_step.canvas)
    page = editor.get(step=live_step.pk).content.decode()
    assert "no longer accepts our access" in page
    assert 'data-metric="errored"' in page
    partner_pages.connect(EU, UK)
    assert editor.post("step_retry", live_step.pk).status_code == 302
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    world.drain()
    assert world.counts(live_step.sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert Connection.objects.get().parked_by == ""
    world.check_at_rest()
