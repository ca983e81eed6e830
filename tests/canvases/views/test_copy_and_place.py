"""A component is copied with its branches, and moves to any place, by plain forms."""

import re

import pytest

from canvases.models import Step
from partners.models import Sync

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def flow(canvas):
    """Return the tree as {step: (parent, branch)}."""
    rows = Step.objects.filter(canvas=canvas, removed_at=None)
    return {row.pk: (row.parent_id, row.branch) for row in rows}


@pytest.fixture
def split(bob_editor):
    """A split with one component in each branch and one after the block."""
    row = bob_editor.add_step("decision_split")
    row.yes, row.no = (
        bob_editor.add_step("audience_sync", row, 1),
        bob_editor.add_step("delay", row, 2),
    )
    row.after = bob_editor.add_step("delay", row)
    return row


def test_a_copy_has_the_branches_and_its_own_sync(bob_editor, split, canvas, winback):
    bob_editor.save_sync(split.yes, winback)
    before = flow(canvas)

    assert bob_editor.post("step_copy", split.pk).status_code == 302

    made = {row.pk: row for row in Step.objects.exclude(pk__in=before)}
    copy = next(row for row in made.values() if row.kind == "decision_split")
    assert {(row.kind, row.parent_id, row.branch) for row in made.values()} == {
        ("decision_split", split.pk, 0),
        ("audience_sync", copy.pk, 1),
        ("delay", copy.pk, 2),
    }
    kept = {pk: place for pk, place in flow(canvas).items() if pk in before}
    assert kept == before | {split.after.pk: (copy.pk, 0)}
    synced = next(row for row in made.values() if row.kind == "audience_sync")
    split.yes.refresh_from_db()
    assert synced.sync_id not in (None, split.yes.sync_id)
    assert Sync.objects.get(pk=synced.sync_id).audience == winback


def test_a_copy_that_would_be_too_many_changes_nothing(bob_editor, split, canvas):
    at = split.after
    for _n in range(195):
        at = Step.objects.create(canvas=canvas, kind="delay", settings=at.settings, parent=at)

    answer = bob_editor.post("step_copy", split.pk)

    assert answer.status_code == 409
    assert "A canvas has at most 200 components." in answer.content.decode()
    assert Step.objects.count() == 199


def test_a_step_moves_into_another_branch_and_out_to_the_front(bob_editor, split, canvas):
    assert bob_editor.post("step_place", split.yes.pk, after=f"{split.pk}-2").status_code == 302
    assert flow(canvas) == {
        split.pk: (None, 0),
        split.yes.pk: (split.pk, 2),
        split.no.pk: (split.yes.pk, 0),
        split.after.pk: (split.pk, 0),
    }
    bob_editor.post("step_place", split.yes.pk, after="first")
    assert flow(canvas) == {
        split.yes.pk: (None, 0),
        split.pk: (split.yes.pk, 0),
        split.no.pk: (split.pk, 2),
        split.after.pk: (split.pk, 0),
    }


def test_a_split_moves_past_the_step_after_its_block(bob_editor, split, canvas):
    bob_editor.post("step_place", split.pk, after=split.after.pk)
    assert flow(canvas) == {
        split.after.pk: (None, 0),
        split.pk: (split.after.pk, 0),
        split.yes.pk: (split.pk, 1),
        split.no.pk: (split.pk, 2),
    }


@pytest.mark.parametrize(
    ("where", "status"), [("itself", 409), ("inside", 409), ("own", 302), ("odd", 404)]
)
def test_an_impossible_place_changes_nothing(bob_editor, split, canvas, where, status):
    """After itself, into its own branch, to its present place, or to an unknown place."""
    before = flow(canvas)
    places = {"itself": split.pk, "inside": f"{split.pk}-1", "own": "first", "odd": "x"}

    assert bob_editor.post("step_place", split.pk, after=places[where]).status_code == status

    assert flow(canvas) == before


def test_an_exit_does_not_move_before_other_components(bob_editor, split, canvas):
    leaves = bob_editor.add_step("exit", split.no)
    before = flow(canvas)

    answer = bob_editor.post("step_place", leaves.pk, after=f"{split.pk}-1")

    assert answer.status_code == 409
    assert "Nothing can come after an exit." in answer.content.decode()
    assert flow(canvas) == before


def test_the_panel_offers_all_places_but_those_of_the_component(bob_editor, split, canvas):
    def offered(step):
        page = bob_editor.get(place=step.pk).content.decode()
        return re.findall(r'<option value="([^"]*)"', page.split('id="place-after"')[1])

    split_id, yes_id = str(split.pk), str(split.yes.pk)
    after_id = str(split.after.pk)
    assert offered(split.no) == ["first", f"{split_id}-1", yes_id, split_id, after_id]
    assert offered(split) == [str(split.after.pk)]


def test_a_split_is_folded_by_its_own_link(bob_editor, split):
    url = f"{bob_editor.url('canvas')}?zoom=100&amp;fold={split.pk}#card-{split.pk}"
    link = f'class="fold" href="{url}"'
    assert link in bob_editor.get().content.decode()

    page = bob_editor.get(fold=split.pk).content.decode()
    assert f'href="{bob_editor.url("canvas")}?zoom=100#card-{split.pk}"' in page
    assert f'id="card-{split.yes.pk}"' not in page
