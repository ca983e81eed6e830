"""Launch and stop: the checklist names every missing setting."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models.live import SegmentMember
from canvases import engine
from canvases.models import Canvas, Step, Visit
from canvases.steps import KINDS
from partners.models import AdAccount, Audience, Connection

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor):
    return bob_editor.add_step("audience_sync")


def checklist(editor):
    return editor.get(launch=1).content.decode().split('id="checklist"')[1].split("</ul>")[0]


def test_the_checklist_of_an_empty_canvas(bob_editor, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(segment=None)

    items = checklist(bob_editor)

    assert "Choose the segment whose people enter." in items
    assert "Add at least one component." in items
    assert f'href="{canvas.get_absolute_url()}?entry=1#id_segment"' in items


def test_a_checklist_item_has_a_separate_link(bob_editor, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(segment=None)
    outside = re.sub(r"<a .*?</a>", "", checklist(bob_editor), flags=re.DOTALL)
    assert "Choose the segment whose people enter." in outside
    assert re.search(
        r'<a href="[^"]+entry=1#id_segment"><span class="text-nowrap">Go there<',
        checklist(bob_editor),
    )


def test_each_missing_setting_links_to_its_field(bob_editor, step, eu, canvas):
    items = checklist(bob_editor)

    for field, words in [
        ("ad_account", "an ad account"),
        ("audience", "or create an audience"),
        ("kinds", "one field"),
    ]:
        assert f'href="{canvas.get_absolute_url()}?step={step.pk}#id_{field}"' in items
        assert words in items


@pytest.mark.parametrize("htmx", [True, False])
def test_an_incomplete_canvas_is_not_launched(bob_editor, step, canvas, htmx):
    answer = bob_editor.post("canvas_launch", htmx=htmx)

    assert answer.status_code == 422
    assert "was not launched" in answer.content.decode()
    canvas.refresh_from_db()
    assert canvas.state == "draft"


@pytest.mark.parametrize(
    ("model", "change", "words"),
    [
        (Connection, {"token_sealed": ""}, "TikTok is not connected."),
        (Connection, {"parked_by": "token"}, "no longer accepts our access"),
        (AdAccount, {"is_chosen": False}, "is disconnected"),
        (
            Audience,
            {"is_appendable": False, "why_not": "A lookalike."},
            "cannot be sent to the audience",
        ),
        (Audience, {"gone_at": timezone.now()}, "no longer exists"),
    ],
)
def test_a_partner_problem_blocks_the_launch(
    bob_editor, step, winback, canvas, model, change, words
):
    bob_editor.save_sync(step, winback)
    assert bob_editor.post("canvas_launch").status_code == 302
    Canvas.objects.update(state="draft")
    model.objects.update(**change)

    answer = bob_editor.post("canvas_launch")

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert "has-problem" in bob_editor.get().content.decode()


def test_a_launched_canvas_is_live(bob_editor, step, winback, canvas, people, bob):
    bob_editor.save_sync(step, winback)

    answer = bob_editor.post("canvas_launch")

    assert answer["Location"] == f"{canvas.get_absolute_url()}?step={step.pk}&tab=numbers"
    canvas.refresh_from_db()
    step.refresh_from_db()
    assert (canvas.state, step.sync.is_live, step.sync.paused) == ("live", True, False)
    assert Activity.objects.filter(actor=bob, verb="launched", subject="Cart").count() == 1


def test_members_of_a_waited_for_segment_are_noted_before_the_transaction(
    bob_editor, step, winback, canvas, people, segment
):
    """Noting a million people in the transaction of the launch would block the engine."""
    bob_editor.save_sync(step, winback)
    event = {"number": 1, "label": "In", "kind": "segment", "segment": str(segment.api_id)}
    wait = {"amount": 1, "unit": "days", "events": [event]}
    wait = Step.objects.create(canvas=canvas, kind="wait_until", settings=wait, parent=step)
    KINDS[wait.kind].on_saved(wait)
    depths = []

    def watch(execute, sql, params, many, context):
        if sql.strip().startswith(f"INSERT INTO {SegmentMember._meta.db_table}"):
            depths.append(len(connection.savepoint_ids))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        assert bob_editor.post("canvas_launch").status_code == 302

    assert depths == [1]  # the part was noted in its own transaction
    assert SegmentMember.objects.exists()


def test_launch_is_idempotent(bob_editor, step, winback, canvas):
    bob_editor.save_sync(step, winback)

    answers = [bob_editor.post("canvas_launch") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Activity.objects.filter(verb="launched").count() == 1


def test_a_second_click_discards_no_one_who_entered_after_the_first(
    bob_editor, step, winback, canvas, people
):
    bob_editor.save_sync(step, winback)
    bob_editor.post("canvas_launch", waiting="discard")
    engine.admit(canvas.pk, now=timezone.now())

    bob_editor.post("canvas_launch", waiting="discard")

    step.refresh_from_db()
    assert step.sync.tally.pending == 10
    assert not step.sync.batches.filter(cancel_requested=True).exists()


def test_warnings_do_not_block_the_launch(bob_editor, step, winback, canvas, people):
    Audience.objects.update(size=10)
    bob_editor.save_sync(step, winback, kinds=("email", "gaid"))

    items = checklist(bob_editor)

    assert "No one in the segment has this field today: Android GAID." in items
    assert "Fewer than 1,000 people can be sent today" in items
    assert "Missing:" not in items
    assert "12 people enter at the launch." in bob_editor.get(launch=1).content.decode()
    assert bob_editor.post("canvas_launch").status_code == 302


def test_on_a_schedule_no_one_enters_at_the_launch(bob_editor, step, winback, canvas, people):
    entry = {"every": "day", "on": "2040-06-01", "at": "09:00", "until": None}
    Canvas.objects.update(entry_by="schedule", entry=entry)
    bob_editor.save_sync(step, winback)

    page = " ".join(bob_editor.get(launch=1).content.decode().split())
    assert "As of now, 12 people would enter. The first time is <time" in page
    assert "at the launch" not in page
    answer_text = bob_editor.post("canvas_launch", htmx=True).content.decode()
    assert "People enter at the next time of the schedule." in answer_text
    assert "People enter now" not in answer_text


def test_removing_from_a_small_audience_is_a_warning(bob_editor, step, winback):
    Audience.objects.update(size=10)
    bob_editor.save_sync(step, winback, action="remove")

    assert "TikTok may refuse to make one so small" in checklist(bob_editor)


def test_the_stop_panel_counts_waiting_and_pending_people(bob_editor, winback, canvas, people):
    bob_editor.add_step("delay")
    bob_editor.post("canvas_launch")
    engine.admit(canvas.pk, now=timezone.now())

    page = bob_editor.get(stop=1).content.decode()

    assert "12 people wait in a component and stay there." in page
    assert "0 people are pending" in page


def test_a_stopped_canvas_advances_no_visit(bob_editor, step, winback, canvas, people, bob):
    bob_editor.save_sync(step, winback)
    bob_editor.add_step("delay")
    bob_editor.post("canvas_launch")
    engine.admit(canvas.pk, now=timezone.now())

    assert bob_editor.post("canvas_stop").status_code == 302

    engine.move_all(now=timezone.now() + timedelta(days=2))
    canvas.refresh_from_db()
    step.refresh_from_db()
    assert (canvas.state, step.sync.is_live, step.sync.paused) == ("stopped", False, True)
    assert Visit.objects.filter(left_at=None).count() == 12
    assert Activity.objects.filter(actor=bob, verb="stopped").count() == 1


def test_an_archived_canvas_is_not_launched(bob_editor, step, winback, canvas):
    bob_editor.save_sync(step, winback)
    bob_editor.post("canvas_archive")

    assert bob_editor.post("canvas_launch").status_code == 422
    canvas.refresh_from_db()
    assert canvas.state == "archived"
