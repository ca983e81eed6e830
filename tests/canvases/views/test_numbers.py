"""The numbers of a step: summed over its syncs, with reasons, updated on the open page."""

import pytest
from django.utils import timezone

from canvases import analytics, reasons
from canvases.models import Step, StepTally
from partners.models import Batch, Delivery, Sync
from tests.canvases.counting import count

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(canvas, winback):
    """A step with a former and a current sync."""
    first, second = (
        Sync.objects.create(
            app_group=canvas.app_group,
            audience=winback,
            action="add",
            kinds=["email"],
            label="x",
            url="/",
        )
        for _ in range(2)
    )
    row = Step.objects.create(canvas=canvas, kind="audience_sync", sync=second)
    row.syncs.set([first, second])
    StepTally.objects.create(step=row, entered=12_345, exited=12_340, waiting=5)
    count(first, entered=100, synced=60, errored=30, not_synced=10)
    count(second, entered=50, pending=20, cancelled=10, synced=20)
    return row


def test_the_card_sums_over_all_syncs_of_the_step(step):
    counts = analytics.step_numbers([step])[step.pk]

    assert (counts.entered, counts.proceeded, counts.exited, counts.waiting) == (
        12_345,
        0,
        12_340,
        5,
    )
    assert (counts.synced, counts.not_synced, counts.pending, counts.errored, counts.cancelled) == (
        80,
        10,
        20,
        30,
        10,
    )


def test_the_numbers_of_many_steps_are_read_in_one_query(step, canvas, django_assert_num_queries):
    steps = [
        step,
        *(
            Step.objects.create(canvas=canvas, kind="delay", parent=step, branch=n)
            for n in range(20)
        ),
    ]

    with django_assert_num_queries(
        1
    ):  # between two queries a crowd may advance, and the sums would not match
        analytics.step_numbers(steps)


def test_the_card_shows_the_metrics_in_order(bob_editor, step):
    page = bob_editor.get(step=step.pk, tab="numbers").content.decode()

    names = [part.split('"')[0] for part in page.split('data-metric="')[1:]]
    assert names == [
        "entered",
        "proceeded",
        "synced",
        "not_synced",
        "pending",
        "errored",
        "exited",
        "waiting",
        "cancelled",
    ]
    assert ">12,345<" in page


def test_numbers_are_localised_on_screen_and_nowhere_else(bob_editor, step):
    Step.objects.filter(pk=step.pk).update(version=1234)
    page = bob_editor.client.get(
        bob_editor.url("canvas"), {"step": step.pk}, headers={"Accept-Language": "de"}
    ).content.decode()

    assert ">12.345<" in page
    assert 'name="version" value="1234"' in page


def test_cancelled_is_hidden_when_it_is_0(bob_editor, canvas, winback):
    step = Step.objects.create(canvas=canvas, kind="audience_sync")

    page = bob_editor.get(step=step.pk, tab="numbers").content.decode()
    assert 'data-metric="errored"' in page
    assert 'data-metric="cancelled"' not in page


def test_unchanged_numbers_are_not_sent_again(bob_editor, step):
    first = bob_editor.get("canvas_counts", v="", htmx=True)
    version = first.content.decode().split("?v=")[1].split('"')[0]

    assert first.status_code == 200
    assert bob_editor.get("canvas_counts", v=version, htmx=True).status_code == 204
    count(step.sync, entered=1, pending=1)
    assert bob_editor.get("canvas_counts", v=version, htmx=True).status_code == 200


def test_changed_numbers_are_swapped_out_of_band(bob_editor, step):
    body = bob_editor.get(
        "canvas_counts", v="x", open=step.pk, tab="numbers", htmx=True
    ).content.decode()

    assert "<html" not in body
    for element in ("flow", "numbers", "canvas-head", f"metrics-{step.pk}"):
        opening = body.split(f'id="{element}"')[1].split(">")[0]
        assert 'hx-swap-oob="morph"' in opening
    assert "step-form" not in body


@pytest.mark.parametrize("opened", ["", "entry", "99999999999999999999", "\0", "x"])
def test_numbers_are_sent_for_any_open_panel(bob_editor, step, opened):
    assert bob_editor.get("canvas_counts", v="x", open=opened, htmx=True).status_code == 200


def test_reasons_are_shown_in_words(bob_editor, step, people):
    now = timezone.now()
    for n, reason in enumerate(["no_identifier", "no_identifier", "no_consent"]):
        Delivery.objects.create(
            sync=step.sync, profile=people[n], entry_key=n, outcome="not_synced", reason=reason
        )
    account = step.sync.audience.ad_account_id
    common = {
        "audience_id": step.sync.audience_id,
        "ad_account_id": account,
        "created_at": now,
        "due_at": now,
    }
    Batch.objects.create(
        sync=step.sync, action="add", seq=1, n=7, state="errored", last_code="40007", **common
    )

    count(step.sync, entered=10, not_synced=3, errored=7)

    lines = [(why.outcome, why.text, why.n) for why in reasons.reasons(step)]
    page = bob_editor.get(step=step.pk, reasons=1).content.decode()

    assert lines[0][0] == "errored"
    assert "no longer exists" in lines[0][1]
    assert lines[1:] == [
        ("not_synced", "None of the chosen fields is filled", 2),
        ("not_synced", "No consent to advertising", 1),
    ]
    assert "None of the chosen fields is filled" in page


def test_errored_people_can_be_retried(bob_editor, step, people, canvas):
    now = timezone.now()
    common = {
        "audience_id": step.sync.audience_id,
        "ad_account_id": step.sync.audience.ad_account_id,
    }
    batch = Batch.objects.create(
        sync=step.sync,
        action="add",
        kinds=["email"],
        seq=1,
        n=1,
        state="errored",
        created_at=now,
        due_at=now,
        **common,
    )
    Delivery.objects.create(sync=step.sync, profile=people[0], entry_key=1, batch=batch)
    step.sync.audience.seq = 1
    step.sync.audience.save()
    count(step.sync, entered=1, errored=1)
    before = analytics.step_numbers([step])[step.pk]

    answer = bob_editor.post("step_retry", step.pk)

    after = analytics.step_numbers([step])[step.pk]
    assert answer.status_code == 302
    assert (after.errored, after.pending) == (before.errored - 1, before.pending + 1)
    assert "1 person is retried." in bob_editor.get().content.decode()
    line = canvas.app_group.activities.get(verb="retried")
    assert [(change.what, change.after) for change in line.shown_changes] == [
        ("People retried", "1")
    ]
