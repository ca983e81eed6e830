"""The poll of an open page returns only what has changed since the page was rendered."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.models import BranchTally, Canvas, Step, StepTally
from partners.models import AdAccount
from tests.canvases.counting import count

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def steps(bob_editor, winback):
    """A launched canvas: a split with a component in its first branch, and an Audience Sync."""
    split = Step.objects.create(canvas=bob_editor.canvas, kind="decision_split", settings={})
    inside = Step.objects.create(canvas=bob_editor.canvas, kind="delay", parent=split, branch=1)
    bob_editor.save_sync(bob_editor.add_step("audience_sync", after=split), winback)
    sends = Step.objects.get(kind="audience_sync")
    Canvas.objects.update(launched_at=timezone.now())
    for step in (split, inside, sends):
        StepTally.objects.create(step=step, entered=5, waiting=5)
    return split, inside, sends


def page_version(bob_editor, **query):
    """Open the page; return its version."""
    return re.search(r"[?]v=([\w-]+)", bob_editor.get(**query).content.decode())[1]


def poll(bob_editor, known, **query):
    return bob_editor.get("canvas_counts", v=known, htmx=True, **query).content.decode()


def test_a_changed_number_returns_only_the_cards_that_show_it(bob_editor, steps):
    split, inside, sends = steps
    version = page_version(bob_editor)
    StepTally.objects.filter(step=inside).update(entered=6, waiting=6)

    body = poll(bob_editor, version)

    assert set(re.findall(r'id="((?:foot|head|row|card|took)-[\d-]+)"', body)) == {
        f"foot-{inside.pk}",
        f"row-{inside.pk}",
    }
    assert 'id="flow"' not in body
    assert "6 waiting" in body.split(f'id="foot-{inside.pk}"')[1]
    assert "16 waiting" in body.replace("\n", " ").split('id="stage-bar"')[1]
    assert poll(bob_editor, page_version(bob_editor)) == ""


def test_the_number_at_the_end_of_the_flow_is_shown_and_updated(bob_editor, steps):
    """The number at the end of the flow does not count people who took an exit."""
    _split, inside, sends = steps
    StepTally.objects.filter(step=sends).update(exited=3, waiting=2)
    StepTally.objects.create(step=bob_editor.add_step("exit", inside), entered=9, exited=9)
    version = page_version(bob_editor)
    assert '<b id="count-end">3 went through</b>' in bob_editor.get().content.decode()
    StepTally.objects.filter(step=sends).update(exited=5, waiting=0)

    assert '<b id="count-end">5 went through</b>' in poll(bob_editor, version)


def test_changed_numbers_of_branches_and_where_they_meet_are_returned(bob_editor, steps):
    split, inside, sends = steps
    version = page_version(bob_editor)
    BranchTally.objects.create(step=split, branch=2, n=7)
    StepTally.objects.filter(step=sends).update(entered=8, waiting=8)

    body = poll(bob_editor, version)

    took = body.split(f'id="took-{split.pk}-2">')[1].split("</b>")[0]
    assert ">7</a>" in took
    assert "number=branch_2" in took
    assert f'id="met-{split.pk}">8<' in body
    assert f'id="foot-{inside.pk}"' not in body


def test_numbers_of_people_sent_come_with_their_bar(bob_editor, steps):
    sends = steps[2]
    version = page_version(bob_editor)
    count(sends.sync, entered=4, synced=4)

    body = poll(bob_editor, version)

    assert 'class="bar-good"' in body.split(f'id="foot-{sends.pk}"')[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda steps: Step.objects.filter(pk=steps[1].pk).update(name="Pause"),
        lambda steps: Step.objects.create(
            canvas=steps[0].canvas, kind="exit", parent=steps[0], branch=2
        ),
        lambda steps: Step.objects.filter(pk=steps[1].pk).update(branch=2),
        lambda steps: AdAccount.objects.update(is_chosen=False),
    ],
    ids=["name", "component", "place", "trouble"],
)
def test_a_changed_flow_is_returned_as_a_whole(change, bob_editor, steps):
    version = page_version(bob_editor)
    change(steps)

    body = poll(bob_editor, version)

    assert 'id="flow" hx-swap-oob="morph"' in body
    assert "data-parts" not in body


@pytest.mark.parametrize("known", ["", "x", "x" * 28, "é" * 28, "\0"])
def test_an_unknown_version_returns_the_flow(known, bob_editor, steps):
    assert 'id="flow" hx-swap-oob="morph"' in poll(bob_editor, known)


def test_the_queries_do_not_grow_with_components(bob_editor, steps, winback):
    def queries():
        version = page_version(bob_editor)
        for tally in StepTally.objects.all():
            StepTally.objects.filter(pk=tally.pk).update(
                entered=tally.entered + 1, waiting=tally.waiting + 1
            )
        with CaptureQueriesContext(connection) as found:
            assert "data-parts" in poll(bob_editor, version)
        return len(found)

    queries()
    few = queries()
    for number in range(4):
        new = Step.objects.create(
            canvas=bob_editor.canvas, kind="delay", parent=steps[1], branch=number
        )
        StepTally.objects.create(step=new, entered=1, waiting=1)
    assert queries() == few
