"""Splits are edited by form posts: add to a branch, move out of it, remove a branch or a split."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine, laws
from canvases.models import BranchTally, Step, Visit

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def flow(canvas):
    """Return the tree as {step: (parent, branch)}."""
    rows = Step.objects.filter(canvas=canvas, removed_at=None)
    return {row.pk: (row.parent_id, row.branch) for row in rows}


@pytest.fixture
def vip(acme):
    only = {"field": "country", "op": "is", "value": "DE"}
    return Segment.objects.create(app_group=acme, name="VIP", filter=only)


def choose(bob_editor, step, segment, **more):
    """Save a decision split by a segment."""
    step.refresh_from_db()
    condition = {"kind-0.0": "segment", "op-0.0": "in", "segment-0.0": str(segment.api_id)}
    return bob_editor.post("step", step.pk, **({"version": step.version} | condition | more))


@pytest.fixture
def split(bob_editor):
    """A split with one component in each branch and one after the block."""
    row = bob_editor.add_step("decision_split")
    row.yes, row.no = bob_editor.add_step("delay", row, 1), bob_editor.add_step("delay", row, 2)
    row.after = bob_editor.add_step("audience_sync", row)
    return row


def test_components_are_added_into_branches_and_after_the_block(bob_editor, split, canvas):
    between = bob_editor.add_step("exit", split.no)

    assert flow(canvas) == {
        split.pk: (None, 0),
        split.yes.pk: (split.pk, 1),
        split.no.pk: (split.pk, 2),
        between.pk: (split.no.pk, 0),
        split.after.pk: (split.pk, 0),
    }
    page = bob_editor.get().content.decode()
    assert page.index(f"card-{between.pk}") < page.index(f"card-{split.after.pk}")
    assert "Ends here" in page


def test_a_split_that_is_added_before_a_step_puts_it_after_its_block(bob_editor, canvas):
    step = bob_editor.add_step("delay")
    split = bob_editor.add_step("decision_split")

    assert flow(canvas) == {split.pk: (None, 0), step.pk: (split.pk, 0)}


@pytest.mark.parametrize(("place", "kind"), [(3, "delay"), ("x", "delay"), (0, "exit")])
def test_a_place_that_does_not_exist_or_ends_is_refused(bob_editor, split, canvas, place, kind):
    """Branch 3 does not exist; an exit before other components would cut them off."""
    before = flow(canvas)
    place = f"{split.pk}-{place}" if kind == "delay" else "first"

    answer = bob_editor.post("step_add", kind=kind, after=place)

    if place.endswith("x"):  # read as the place after the block
        assert answer.status_code == 302
    else:
        assert answer.status_code == 409
        assert flow(canvas) == before


def test_a_step_moves_out_of_its_branch(bob_editor, split, canvas):
    bob_editor.post("step_move", split.yes.pk, to="down")
    assert flow(canvas)[split.yes.pk] == (split.pk, 0)
    assert flow(canvas)[split.after.pk] == (split.yes.pk, 0)

    bob_editor.post("step_move", split.no.pk, to="up")
    assert flow(canvas)[split.no.pk] == (None, 0)
    assert flow(canvas)[split.pk] == (split.no.pk, 0)


def test_a_split_moves_with_its_branches(bob_editor, split, canvas):
    bob_editor.post("step_move", split.pk, to="down")

    assert flow(canvas) == {
        split.after.pk: (None, 0),
        split.pk: (split.after.pk, 0),
        split.yes.pk: (split.pk, 1),
        split.no.pk: (split.pk, 2),
    }


def test_the_panel_names_the_branch_of_a_component(bob_editor, split):
    named = {
        step: "branch “No”" in " ".join(bob_editor.get(step=step.pk).content.decode().split())
        for step in (split, split.yes, split.no, split.after)
    }
    assert named == {split: False, split.yes: False, split.no: True, split.after: False}


def test_the_branch_that_is_kept_moves_up(bob_editor, split, canvas):
    assert bob_editor.post("step_remove", split.pk).status_code == 422
    assert bob_editor.post("step_remove", split.pk, keep="2").status_code == 302

    assert flow(canvas) == {split.no.pk: (None, 0), split.after.pk: (split.no.pk, 0)}


def test_the_question_says_how_much_each_branch_holds(bob_editor, split):
    bob_editor.add_step("delay", split.no)
    page = bob_editor.get(remove=split.pk).content.decode()

    held = re.findall(r'name="keep"\s+value="[12]".*?>\s*(\d+ components?)\s*<', page, re.DOTALL)
    assert held == ["1 component", "2 components"]


def test_all_branches_can_be_removed(bob_editor, split, canvas):
    assert "Which branch stays?" in bob_editor.get(remove=split.pk).content.decode()
    bob_editor.post("step_remove", split.pk, keep="0")

    assert flow(canvas) == {split.after.pk: (None, 0)}


@pytest.mark.parametrize(("go", "withdrawn"), [("next", 0), ("exit", 1)])
def test_people_who_wait_at_a_removed_component(
    bob_editor, split, canvas, vip, people, go, withdrawn, alice
):
    """People who wait in a removed branch go on after the block, or leave the canvas."""
    choose(bob_editor, split, vip)
    bob_editor.post("step_remove", split.after.pk)
    after = bob_editor.add_step("delay", split)
    now = timezone.now()
    engine.launch(canvas, by=alice, now=now)
    while engine.move_all(now=timezone.now()):
        pass
    engine.stop(canvas, by=alice, now=now)

    assert bob_editor.post("step_remove", split.pk, keep="0").status_code == 422
    assert bob_editor.post("step_remove", split.pk, keep="0", people=go).status_code == 302

    n_there = Visit.objects.filter(step=after, left_at=None).count()
    assert n_there == (12 if go == "next" else 0)
    assert Visit.objects.filter(left_by="removed").count() == 12 * withdrawn
    assert laws.broken(now=timezone.now() + timedelta(minutes=1)) == []


def test_a_split_without_a_condition_blocks_the_launch(bob_editor, canvas, vip):
    split = bob_editor.add_step("decision_split")
    assert "Choose the condition of this split." in bob_editor.get(launch=1).content.decode()

    assert choose(bob_editor, split, vip).status_code == 302
    page = bob_editor.get(launch=1).content.decode()
    assert "Choose the condition" not in page
    assert "in the segment “VIP”" in page


def test_a_segment_in_a_split_cannot_be_deleted(bob_editor, split, vip):
    choose(bob_editor, split, vip)
    url = reverse("segment_remove", args=[vip.app_group.slug, vip.pk])
    assert "Cart" in bob_editor.client.post(url, follow=True).content.decode()
    assert Segment.objects.filter(pk=vip.pk).exists()

    bob_editor.post("step_remove", split.pk, keep="0")
    bob_editor.client.post(url)
    assert not Segment.objects.filter(pk=vip.pk).exists()


def test_an_attribute_or_an_event_is_a_condition(bob_editor, split):
    """A change of the kind draws other fields and saves nothing."""
    event = {"kind-0.0": "event", "event-0.0": "order", "op-0.0": "at_least", "n-0.0": "2"}
    answer = bob_editor.post("step", split.pk, version=1, draw=1, **event)
    assert (answer.status_code, Step.objects.get(pk=split.pk).version) == (200, 1)
    assert 'name="days-0.0"' in answer.content.decode()

    assert bob_editor.post("step", split.pk, version=1, **event | {"n-0.0": "x"}).status_code == 422
    assert bob_editor.post("step", split.pk, version=1, **event).status_code == 302
    split.refresh_from_db()
    assert split.settings == {"filter": {"event": "order", "op": "at_least", "n": 2}}
    assert "Yes: everybody who" in bob_editor.get().content.decode()


PATHS = {
    "path-0.0": "German",
    "number-0.0": "1",
    "kind-0.0": "field",
    "field-0.0": "country",
    "op-0.0": "is",
    "value-0.0": "DE",
}


def two_paths(vip):
    name, number = {"path-0.1": "VIP"}, {"number-0.1": "2"}
    condition = {"kind-0.1": "segment", "op-0.1": "in", "segment-0.1": str(vip.api_id)}
    return PATHS | name | number | condition


def test_paths_are_named_in_their_order(bob_editor, canvas, vip):
    step = bob_editor.add_step("audience_paths")
    added = bob_editor.post("step", step.pk, version=1, add="0", **PATHS).content.decode()
    assert 'value="Path 2"' in added
    assert re.search(r'name="number-0.1"\s+value="2"', added)

    assert bob_editor.post("step", step.pk, version=1, **two_paths(vip)).status_code == 302
    page = bob_editor.get().content.decode()
    assert page.index(">German<") < page.index(">VIP<") < page.index(">Everyone else<")
    assert "German, VIP and everyone else" in page


def test_a_path_keeps_its_number_and_its_components(bob_editor, canvas, vip):
    step = bob_editor.add_step("audience_paths")
    bob_editor.post("step", step.pk, version=1, **two_paths(vip))
    bob_editor.add_step("delay", step, 2)

    answer = bob_editor.post("step", step.pk, version=2, **PATHS)
    assert answer.status_code == 422
    assert "Components are still in the path “VIP”" in answer.content.decode()
    vips = {name.replace("0.1", "0.0"): text for name, text in two_paths(vip).items()} | {
        "path-0.0": "VIP",
        "number-0.0": "2",
        "kind-0.0": "segment",
        "op-0.0": "in",
        "segment-0.0": str(vip.api_id),
    }
    kept = {name: text for name, text in vips.items() if not name.startswith(("field", "value"))}
    assert bob_editor.post("step", step.pk, version=2, **kept).status_code == 302
    step.refresh_from_db()
    assert [path["number"] for path in step.settings["paths"]] == [2]


def test_two_paths_of_one_name_are_refused(bob_editor, vip):
    step = bob_editor.add_step("audience_paths")
    answer = bob_editor.post("step", step.pk, version=1, **two_paths(vip) | {"path-0.1": "German"})
    assert answer.status_code == 422


def test_the_page_reads_no_more_for_more_splits(
    bob_editor, vip, canvas, django_assert_max_num_queries
):
    split = bob_editor.add_step("decision_split")
    choose(bob_editor, split, vip)
    with CaptureQueriesContext(connection) as few:
        bob_editor.get()
    n = len(few)
    for _n in range(3):
        split = bob_editor.add_step("decision_split", split, 1)
        choose(bob_editor, split, vip)
    with django_assert_max_num_queries(n):
        bob_editor.get()


@pytest.mark.parametrize(("yes", "no", "chip"), [(23, 77, "23 % <bdi>Yes</bdi>"), (0, 0, "")])
def test_the_card_of_a_launched_split_says_how_many_take_its_first_branch(
    bob_editor, split, canvas, yes, no, chip
):
    canvas.launched_at = timezone.now()
    canvas.save()
    for branch, n in ((1, yes), (2, no)):
        BranchTally.objects.create(step=split, branch=branch, n=n)
    card = bob_editor.get().content.decode().split(f'id="card-{split.pk}"')[1].split("</a>")[0]
    assert re.findall(r'<span class="chip chip-plain">(.*?)</span>', card) == [chip] * bool(chip)
