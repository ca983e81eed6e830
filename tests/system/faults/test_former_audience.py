"""A step was given another audience while people wait for the one before: what is wrong there stays in sight."""

from django.utils import timezone

from canvases import checklist, engine
from canvases.models import Canvas
from canvases.steps import KINDS
from canvases.views import workbench
from partners.connections import problems
from partners.models import AdAccount
from partners.queue import park
from tests.system.faults.test_edited_step import edit


def told(step):
    [fresh] = checklist.steps_of(step.canvas).filter(pk=step.pk)
    return [
        (str(one.text), one.url) for one in KINDS[fresh.kind].problems(fresh, now=timezone.now())
    ]


def gone(live, town):
    """1,000 people wait for an audience that was deleted at TikTok."""
    town.sandbox.audiences.delete(live.sync.audience.remote_id)
    engine.beat()
    town.beats(0.3)
    return live.sync.audience


def test_the_problem_of_a_gone_audience_leads_to_the_field_that_mends_it(live, town):
    audience = gone(live, town)
    type(live.sync).objects.update(url=f"{live.canvas.get_absolute_url()}?step={live.pk}")
    [(text, url)] = told(live)
    assert f"The audience {audience.name} no longer exists" in text
    assert url == f"{live.canvas.get_absolute_url()}?step={live.pk}#id_audience_name"


def test_the_problem_stays_on_the_card_while_people_wait_for_the_audience_of_before(
    live, town, alice, signed_in
):
    audience = gone(live, town)
    assert edit(signed_in(alice), live, town.audience("other"), waiting="travel").status_code == 302
    [(text, _url)] = told(live)
    assert text.startswith(
        f"1,000 people still wait for the audience {audience.name}, which TikTok no longer lets us use."
    )
    [card] = workbench.read(Canvas.objects.get(), now=timezone.now()).cards
    assert [str(one.text) for one in card.problems] == [text]


def test_what_stands_in_the_way_of_people_of_a_removed_step_stays_in_sight(live, town):
    audience = gone(live, town)
    type(live).objects.filter(pk=live.pk).update(removed_at=timezone.now())
    [card] = workbench.read(Canvas.objects.get(), now=timezone.now()).removed
    assert f"1,000 people still wait for the audience {audience.name}" in str(card.problems[0].text)


def test_the_banner_of_a_lost_connection_stays_while_people_wait_for_it(live, town):
    engine.beat()
    park.park_connection(town.connection, "40105", timezone.now())
    type(live.sync).objects.update(is_live=False)
    assert [
        one.code for one in problems.broken_connections(town.app_group, now=timezone.now())
    ] == ["token_refused"]


def test_a_working_way_of_before_is_no_problem(live, town, alice, signed_in):
    town.fault("code", code=50000)
    engine.beat()
    assert edit(signed_in(alice), live, town.audience("other"), waiting="travel").status_code == 302
    assert told(live) == []
    AdAccount.objects.update(is_chosen=False)
    assert [text for text, _url in told(live) if "which this component had before" in text]
