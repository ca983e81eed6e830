"""A new branch never gets the number of a removed one; otherwise it would have its people."""

import re

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases.models import BranchTally, Canvas, Visit
from canvases.steps.numbered import EVERYONE_ELSE, distinct_numbers, free_number
from tests.canvases.views.test_branches_late import EVENTS, ONE_EVENT, ONE_PATH, PATHS

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture(params=[("wait_until", EVENTS, ONE_EVENT), ("audience_paths", PATHS, ONE_PATH)])
def step(request, bob_editor):
    """A split whose branch 2 was removed after five people took it, and its form."""
    kind, whole, rest = request.param
    step = bob_editor.add_step(kind)
    assert bob_editor.post("step", step.pk, version=1, **whole).status_code == 302
    BranchTally.objects.create(step=step, branch=2, n=5)
    assert bob_editor.post("step", step.pk, version=2, **rest).status_code == 302
    return step, rest


def test_an_added_branch_has_a_number_that_no_one_took(bob_editor, step):
    row, rest = step
    page = bob_editor.post("step", row.pk, version=3, add="0", **rest).content.decode()
    assert re.search(r'name="(row-1-number|number-0.1)"\s+value="3"', page)


def test_a_branch_without_a_number_gets_one_that_no_one_took(bob_editor, step):
    row, _rest = step
    sent = EVENTS | {"row-1-number": ""} if row.kind == "wait_until" else PATHS | {"number-0.1": ""}
    assert bob_editor.post("step", row.pk, version=3, **sent).status_code == 302
    row.refresh_from_db()
    numbers = [one["number"] for one in row.settings.get("events") or row.settings["paths"]]
    assert numbers == [1, 3]


def test_people_whose_branch_is_removed_take_no_later_one(bob_editor, canvas, people):
    step = bob_editor.add_step("wait_until")
    ranked = {"chooses": "ranked"}
    assert bob_editor.post("step", step.pk, version=1, **EVENTS, **ranked).status_code == 302
    Canvas.objects.update(state="live")
    now, both = timezone.now(), Profile.objects.order_by("pk")[:2]
    for branch, profile in enumerate(both, 1):
        place = {"canvas": canvas, "step": step, "branch": branch, "entered_at": now}
        Visit.objects.create(profile=profile, due_at=now, **place)

    assert bob_editor.post("step", step.pk, version=2, **ONE_EVENT, **ranked).status_code == 302

    assert list(Visit.objects.order_by("pk").values_list("branch", flat=True)) == [1, None]


def test_spent_numbers_come_last():
    assert free_number({1}, spent={2}) == 3
    assert free_number({1, 3, 4, 5, 6, 7}, spent={2}) == 2
    assert free_number(set(range(1, 8)), spent=set()) == EVERYONE_ELSE
    assert distinct_numbers([None, 1, 1], spent={2}) == [3, 1, 4]
