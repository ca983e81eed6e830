"""Problems show in the list of canvases, on the card, and on an open page."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from canvases import engine
from partners.incidents import reconcile
from partners.models import Audience, Batch, Budget, Connection

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor, winback, canvas, people, bob):
    """A step of a live canvas with ten pending people."""
    row = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(row, winback)
    engine.launch(canvas, by=bob, now=timezone.now())
    engine.move_all(now=timezone.now())
    row.refresh_from_db()
    return row


def card(page, step):
    return page.split(f'id="card-{step.pk}"')[1].split("</a>")[0]


def test_the_list_shows_a_problem_and_links_to_the_step(bob_editor, step, canvas):
    address = f"/g/{canvas.app_group.slug}/canvases/"
    assert "Needs attention" not in bob_editor.client.get(address).content.decode()
    Connection.objects.update(parked_by="token")
    page = bob_editor.client.get(address).content.decode()
    link = re.escape(f'href="{canvas.get_absolute_url()}?step={step.pk}"')
    assert re.search(rf'pill-bad"\s+{link}', page)
    assert "Needs attention" in page


def test_the_list_needs_no_query_per_problem(
    bob_editor, step, canvas, django_assert_max_num_queries
):
    Audience.objects.update(gone_at=timezone.now())
    address = f"/g/{canvas.app_group.slug}/canvases/"
    with django_assert_max_num_queries(20):
        assert "pill-bad" in bob_editor.client.get(address).content.decode()


def test_the_poll_updates_banner_card_and_panel(bob_editor, step):
    page = bob_editor.get(step=step.pk).content.decode()
    version = page.split("/counts/?v=")[1].split('"')[0]
    assert bob_editor.get("canvas_counts", htmx=True, v=version, open=step.pk).status_code == 204
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    answer = bob_editor.get("canvas_counts", htmx=True, v=version, open=step.pk).content.decode()
    # The problem is morphed, not replaced: a screen reader announces it once, not at every poll.
    assert 'id="trouble" role="status" aria-live="polite" hx-swap-oob="morph"' in answer
    assert "People are not being sent." in answer
    assert f'id="problems-{step.pk}" hx-swap-oob="morph"' in answer
    assert "Otherwise 10 people count as errored." in card(answer, step)
    assert f'id="mend-{step.pk}" href="/g/acme/partners/tiktok/"' in answer


def test_the_link_of_a_problem_names_where_it_leads(bob_editor, step):
    for row, change, label in (
        (Connection, {"parked_by": "token"}, "Reconnect TikTok"),
        (Audience, {"gone_at": timezone.now()}, "Choose another audience"),
        (Batch, {"due_at": timezone.now() + timedelta(minutes=5)}, "Open the partner page"),
    ):
        before = row.objects.values(*change).get()
        row.objects.update(**change)
        page = bob_editor.get(step=step.pk).content.decode()
        mend = page.split(f'id="mend-{step.pk}"')[1].split("</a>")[0]
        row.objects.update(**before)

        assert f"{label}<span" in mend
        assert f"{label}</a>" in page.split(f'id="problems-{step.pk}"')[1]
        assert "Go there" not in page


def test_a_problem_is_shown_once_and_without_a_green_pill(bob_editor, step):
    Connection.objects.update(parked_by="token")
    reconcile.run(now=timezone.now())
    page = bob_editor.get(step=step.pk).content.decode()
    seen = re.sub(
        r'<div id="announce-trouble".*?</div>', "", page, flags=re.DOTALL
    )  # for screen readers only
    assert seen.count("TikTok no longer accepts our access") == 1
    assert "pill-good" not in page
    assert "Otherwise 10 people count as errored." in problem(bob_editor, step)


def problem(bob_editor, step):
    return (
        bob_editor.get(step=step.pk)
        .content.decode()
        .split(f'id="problems-{step.pk}"')[1]
        .split("</div></div>")[0]
    )


def test_the_card_of_a_throttled_step_names_the_next_attempt(bob_editor, step, settings):
    at = timezone.now() + timedelta(seconds=64)
    us = int(at.timestamp() * 1_000_000)
    Budget.objects.create(
        key=f"app:tiktok:{settings.TIKTOK_APP_ID}", throttles=7, parked_us=us, next_us=0
    )
    words = f"TikTok asks us to slow down. Next try at {at:%H:%M:%S}."
    assert words in card(bob_editor.get().content.decode(), step)
    assert "10 people wait." in problem(bob_editor, step)
    partner = bob_editor.client.get("/g/acme/partners/tiktok/").content.decode()
    assert words in partner


def test_a_daily_quota_is_named(bob_editor, step, settings):
    at = timezone.now() + timedelta(seconds=250)
    us = int(at.timestamp() * 1_000_000)
    Budget.objects.create(
        key=f"app:tiktok:{settings.TIKTOK_APP_ID}", throttles=12, parked_us=us, next_us=0
    )
    assert "its daily limit may be used up" in problem(bob_editor, step)


@pytest.mark.parametrize(
    ("code", "words"),
    [("no_answer", "TikTok did not answer."), ("50000", "TikTok answered with the code 50000.")],
)
def test_a_backoff_names_cause_next_attempt_and_deadline(bob_editor, step, code, words):
    at, ends_at = timezone.now() + timedelta(seconds=40), timezone.now() + timedelta(hours=12)
    Batch.objects.update(
        due_at=at, last_code=code, first_failed_at=timezone.now(), deadline_at=ends_at
    )
    text = problem(bob_editor, step)
    assert f"{words} Next try at {at:%H:%M:%S}." in text
    assert f"People not accepted by {ends_at:%-d %b, %H:%M} count as errored." in text


def test_a_stopped_engine_is_named(bob_editor, step):
    assert "engine" not in problem(bob_editor, step)
    Batch.objects.update(due_at=timezone.now() - timedelta(seconds=45))
    assert "No engine of this installation is running" in problem(bob_editor, step)
