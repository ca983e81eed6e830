"""The forecast of the launch panel equals what the engine then does."""

import pytest
from django.utils import timezone

from audiencesync.people.models import PastIdentifier, Profile
from canvases import engine, prospects
from canvases.views import panels
from partners.forecast import forecast
from partners.models import Delivery, Tally
from tests.support import profiles

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
KINDS = ["email", "phone", "idfa", "gaid"]


def make_profile(acme, name, **fields):
    row = Profile(app_group=acme, external_id=name, **fields)
    profiles.set_hashes(row, region="DE")
    row.save()
    return row


@pytest.fixture
def special_cases(acme, people):
    """Twelve plain profiles and one of every special case."""
    device = {"idfa": "6D92078A-8246-4BA4-AE5B-76104861E7DC"}
    rows = [
        make_profile(acme, "refused", email="a@example.org", ads_consent=False),
        make_profile(acme, "refused-nameless", ads_consent=False),
        make_profile(acme, "agreed", email="b@example.org", ads_consent=True),
        make_profile(acme, "same-hash", email="b@example.org"),
        make_profile(acme, "bad-email", email="no address", ads_consent=True),
        make_profile(acme, "bad-email-good-phone", email="no address", phone="+4915112345679"),
        make_profile(acme, "untracked", ad_tracking_enabled=False, **device),
        make_profile(
            acme, "untracked-with-email", email="c@example.org", ad_tracking_enabled=False, **device
        ),
        make_profile(acme, "tracked", **device),
        make_profile(acme, "erased", email="d@example.org", erased_at=timezone.now()),
    ]
    merged = make_profile(acme, "merged", email="e@example.org")
    Profile.everybody.filter(pk=merged.pk).update(merged_into=rows[2])
    past = make_profile(acme, "past-only")
    PastIdentifier.objects.create(
        profile=past, kind="email", sha256=b"p" * 32, replaced_at=timezone.now()
    )
    return rows


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("action", ["add", "remove"])
@pytest.mark.parametrize("kinds", [["email"], ["gaid", "idfa"], KINDS])
def test_the_launch_does_what_the_forecast_says(
    bob_editor, winback, canvas, acme, special_cases, bob, action, kinds, is_strict
):
    acme.consent_required = is_strict
    acme.save()
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback, action=action, kinds=kinds)
    step.refresh_from_db()
    expected = forecast(engine.entry_candidates(canvas, now=timezone.now()), step.sync)

    engine.launch(canvas, by=bob, now=timezone.now())
    engine.move_all(now=timezone.now())

    tally = Tally.objects.get(pk=step.sync_id)
    assert (tally.pending, tally.not_synced) == (expected.sent, sum(expected.not_sent.values()))
    reasons = Delivery.objects.exclude(reason=None).values_list("reason", flat=True)
    assert {reason: list(reasons).count(reason) for reason in reasons} == expected.not_sent
    assert tally.entered == 22 == expected.sent + sum(expected.not_sent.values())


def test_the_panel_shows_the_forecast_in_one_line(bob_editor, winback, canvas, special_cases):
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), winback)
    page = bob_editor.get(launch=1).content.decode()
    assert "22 people enter at the launch." in page
    assert "13 people will be sent, 9 not: 2 without consent, 7 without a usable field." in page
    step = canvas.steps.get()
    assert f'href="{canvas.get_absolute_url()}?step={step.pk}&amp;tab=who#panel"' in page


def test_a_launch_does_not_wait_for_its_forecast(bob_editor, winback, canvas, people, monkeypatch):
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), winback)
    monkeypatch.setattr(panels, "FORECAST_SECONDS", 0.0)
    page = bob_editor.get(launch=1).content.decode()
    assert "Counting took too long and was stopped." in page
    assert f'action="{bob_editor.url("canvas_launch")}"' in page


def test_earlier_visitors_are_not_in_the_forecast(
    bob_editor, winback, canvas, special_cases, bob, acme
):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    engine.launch(canvas, by=bob, now=timezone.now())
    engine.move_all(now=timezone.now())
    engine.stop(canvas, by=bob, now=timezone.now())
    make_profile(acme, "new", email="new@example.org")

    page = bob_editor.get(launch=1).content.decode()

    assert "1 person enters at the launch." in page
    assert "22 people of the segment have been here before and do not enter again." in page
    assert "1 person will be sent." in page


def test_a_step_after_a_delay_is_forecast_for_later(bob_editor, winback, canvas, people):
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), winback)
    bob_editor.add_step("delay")  # before it
    [found] = prospects.of_launch(
        canvas, engine.entry_candidates(canvas, now=timezone.now()), now=timezone.now()
    )
    assert found.is_later
    assert "after a wait, as of now:" in bob_editor.get(launch=1).content.decode()


def test_a_forecast_takes_one_query(bob_editor, winback, canvas, people, django_assert_num_queries):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    step.refresh_from_db()
    crowd = engine.entry_candidates(canvas, now=timezone.now())
    assert step.sync.app_group
    with django_assert_num_queries(1):
        forecast(crowd, step.sync)
