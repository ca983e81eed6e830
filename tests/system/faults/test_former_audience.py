"""Problems of a step's old audience stay visible while people are pending for it."""

import pytest
from django.utils import timezone

from canvases import checklist, engine
from canvases.models import Canvas, Step
from canvases.steps import KINDS
from canvases.views.stage import canvas_page
from partners.health import lines
from partners.incidents import reconcile
from partners.models import AdAccount, Sync
from partners.queue import park
from tests.system.faults.test_edited_step import edit

pytestmark = pytest.mark.thorough


def problems_of(step):
    """Return (text, URL) of each problem of a step, read from the database."""
    [fresh] = checklist.steps_of(step.canvas).filter(pk=step.pk)
    return [
        (str(problem.text), problem.url)
        for problem in KINDS[fresh.kind].problems(fresh, now=timezone.now())
    ]


def delete_audience(live_step, world):
    """Delete the step's audience at TikTok while 1,000 people are pending for it; return it."""
    world.sandbox.audiences.delete(live_step.sync.audience.remote_id)
    engine.beat()
    world.beat_for(0.3)
    return live_step.sync.audience


def test_the_problem_of_a_deleted_audience_links_to_the_audience_field(live_step, world):
    audience = delete_audience(live_step, world)
    Sync.objects.update(url=f"{live_step.canvas.get_absolute_url()}?step={live_step.pk}")
    [(text, url)] = problems_of(live_step)
    assert f"The audience {audience.name} no longer exists" in text
    assert url == f"{live_step.canvas.get_absolute_url()}?step={live_step.pk}#id_audience_name"


def test_the_card_shows_the_problem_while_people_are_pending_for_the_old_audience(
    live_step, world, alice, signed_in
):
    audience = delete_audience(live_step, world)
    assert (
        edit(
            signed_in(alice), live_step, world.create_audience("other"), waiting="travel"
        ).status_code
        == 302
    )
    [(text, _url)] = problems_of(live_step)
    assert text.startswith(
        f"1,000 people still wait for the audience {audience.name}, "
        "which TikTok no longer lets us use."
    )
    [card] = canvas_page.read(Canvas.objects.get(), now=timezone.now()).cards
    assert [str(problem.text) for problem in card.problems] == [text]


def test_a_removed_step_shows_its_problem_while_people_are_pending(live_step, world):
    audience = delete_audience(live_step, world)
    Step.objects.filter(pk=live_step.pk).update(removed_at=timezone.now())
    [card] = canvas_page.read(Canvas.objects.get(), now=timezone.now()).removed
    assert f"1,000 people still wait for the audience {audience.name}" in str(card.problems[0].text)


def test_a_stopped_canvas_with_pending_people_keeps_the_banner_of_a_lost_connection(
    live_step, world
):
    engine.beat()
    park.park_connection(world.connection, "40105", timezone.now())
    Sync.objects.update(is_live=False)
    reconcile.run(now=timezone.now())
    assert [line.code for line in lines.banner(world.app_group)] == ["token_refused"]


def test_an_old_audience_is_a_problem_only_when_it_cannot_be_used(
    live_step, world, alice, signed_in
):
    world.set_fault("code", code=50000)
    engine.beat()
    assert (
        edit(
            signed_in(alice), live_step, world.create_audience("other"), waiting="travel"
        ).status_code
        == 302
    )
    assert problems_of(live_step) == []
    AdAccount.objects.update(is_chosen=False)
    assert [
        text for text, _url in problems_of(live_step) if "which this component had before" in text
    ]
