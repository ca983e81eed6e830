"""The editor asks before something is lost, and scolds nobody for what was not touched yet."""

import re

import pytest
from django.utils import timezone

pytestmark = pytest.mark.django_db


def card(page, step):
    """The class of a step's card."""
    return re.search(rf'class="([^"]*)" id="card-{step.pk}"', page)[1]


def test_a_new_component_is_quiet_until_launch_is_tried(bobs):
    step = bobs.add("audience_sync")

    assert card(bobs.get(step=step.pk).content.decode(), step) == "step is-new"
    assert card(bobs.get(launch=1).content.decode(), step) == "step is-incomplete"
    assert card(bobs.post("canvas_launch").content.decode(), step) == "step is-incomplete"


def test_a_component_that_was_saved_with_errors_says_what_is_missing(bobs, sandbox):
    step = bobs.add("audience_sync")

    page = bobs.post("step", step.pk, version=1, action="add").content.decode()

    assert card(page, step) == "step is-incomplete"
    assert "data-unsaved" in page


def test_a_component_whose_people_are_not_sent_is_red(bobs, winback, connection):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)
    winback.gone_at = timezone.now()
    winback.save()

    assert card(bobs.get().content.decode(), step) == "step has-problem"


def test_removing_a_component_asks_first(bobs, winback):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)

    page = bobs.get(step=step.pk).content.decode()
    question = bobs.get(remove=step.pk).content.decode()

    assert f"?remove={step.pk}" in page
    assert bobs.url("step_remove", step.pk) not in page
    assert bobs.url("step_remove", step.pk) in question
    assert "Add to “winback”" in question


def test_archiving_a_canvas_asks_first(bobs, canvas):
    assert "Archive “Cart”?" in bobs.get("canvas_archive").content.decode()
    canvas.refresh_from_db()
    assert canvas.state == "draft"

    bobs.post("canvas_archive")

    canvas.refresh_from_db()
    assert canvas.state == "archived"


def test_the_table_under_the_flow_has_all_seven_metrics_by_their_whole_names(bobs):
    bobs.add("delay")

    table = bobs.get().content.decode().split('id="numbers"')[1].split("</table>")[0]

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


def test_trouble_that_comes_while_the_page_is_open_is_announced(bobs, winback, connection):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)
    before = bobs.get("canvas_counts", v="x", htmx=True).content.decode()
    winback.gone_at = timezone.now()
    winback.save()

    after = bobs.get("canvas_counts", v="x", htmx=True).content.decode()

    region = re.compile(r'id="told"[^>]*aria-live="polite"[^>]*>([^<]*)<')
    assert region.search(before)[1].strip() == "No component is in trouble."
    assert "Add to “winback”: " in region.search(after)[1]
