"""The editor confirms removals and shows errors only for saved or launched steps."""

import re

import pytest
from django.utils import timezone

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def card(page, step):
    """Return the CSS class of a step's card."""
    return re.search(rf'class="([^"]*)" id="card-{step.pk}"', page)[1]


def test_a_new_step_shows_no_error_before_a_launch(bob_editor):
    step = bob_editor.add_step("audience_sync")

    assert card(bob_editor.get(step=step.pk).content.decode(), step) == "step is-new"
    assert card(bob_editor.get(launch=1).content.decode(), step) == "step is-incomplete"
    assert card(bob_editor.post("canvas_launch").content.decode(), step) == "step is-incomplete"


def test_a_step_saved_with_errors_is_incomplete(bob_editor, sandbox):
    step = bob_editor.add_step("audience_sync")

    page = bob_editor.post("step", step.pk, version=1, action="add").content.decode()

    assert card(page, step) == "step is-incomplete"
    assert "data-unsaved" in page


def test_a_step_with_a_partner_problem_is_red(bob_editor, winback, connection):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    winback.gone_at = timezone.now()
    winback.save()

    assert card(bob_editor.get().content.decode(), step) == "step has-problem"


def test_removing_a_step_needs_a_confirmation(bob_editor, winback):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)

    page = bob_editor.get(step=step.pk).content.decode()
    question = bob_editor.get(remove=step.pk).content.decode()

    assert f"?remove={step.pk}" in page
    assert bob_editor.url("step_remove", step.pk) not in page
    assert bob_editor.url("step_remove", step.pk) in question
    assert "Add to “winback”" in question


def test_archiving_a_canvas_needs_a_confirmation(bob_editor, canvas):
    assert "Archive “Cart”?" in bob_editor.get("canvas_archive").content.decode()
    canvas.refresh_from_db()
    assert canvas.state == "draft"

    bob_editor.post("canvas_archive")

    canvas.refresh_from_db()
    assert canvas.state == "archived"


def test_the_table_below_the_flow_names_all_metrics(bob_editor):
    bob_editor.add_step("delay")

    table = bob_editor.get().content.decode().split('id="numbers"')[1].split("</table>")[0]

    names = re.findall(r'<th scope="col" class="num">([^<]+)</th>', table)
    assert names == [
        "Entered",
        "Proceeded to next step",
        "Users synced",
        "Users not synced",
        "Users pending",
        "Users errored",
        "Exited canvas",
        "Waiting here",
    ]


def test_a_problem_on_an_open_page_is_announced(bob_editor, winback, connection):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    before = bob_editor.get("canvas_counts", v="x", htmx=True).content.decode()
    winback.gone_at = timezone.now()
    winback.save()

    after = bob_editor.get("canvas_counts", v="x", htmx=True).content.decode()

    region = re.compile(r'id="announce-trouble"[^>]*aria-live="polite"[^>]*>([^<]*)<')
    assert region.search(before)[1].strip() == "No component has a problem."
    assert "Add to “winback”: " in region.search(after)[1]
