"""The page of a segment names every canvas that uses it; a used segment cannot be removed."""

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Subscription
from audiencesync.people.segments import edit, live
from audiencesync.people.segments.uses import usage
from canvases.editing import edit as flow
from canvases.models import Canvas, Step
from canvases.steps import KINDS

LIVE = Canvas.State.LIVE


@pytest.fixture
def uses(acme, segment):
    """uses() -> (name, is it live, through which segment) of all that uses the segment."""
    return lambda: [(use.name, use.is_live, use.through) for use in usage.of(segment)]


@pytest.fixture
def split(acme, segment):
    """A canvas with a split whose condition names the segment in a group."""
    canvas = Canvas.objects.create(app_group=acme, name="Split", state=LIVE)
    condition = {"none": [{"segment": str(segment.api_id), "op": "in"}]}
    settings = {"paths": [{"number": 1, "name": "New", "filter": condition}]}
    step = Step.objects.create(canvas=canvas, kind="audience_paths", settings=settings)
    KINDS[step.kind].on_saved(step)
    return step


def refused(segment, by):
    with pytest.raises(edit.InUse) as caught:
        edit.remove(segment, by=by)
    return caught.value.users


def test_the_condition_of_a_branch_uses_a_segment(segment, split, uses, bob):
    assert uses() == [("Split", True, "")]
    assert refused(segment, bob) == ["Split"]
    Canvas.objects.update(state=Canvas.State.STOPPED)
    flow.remove(split, by=bob, now=timezone.now())
    assert uses() == []
    edit.remove(segment, by=bob)


def test_entry_and_exit_use_a_segment_once(acme, segment, uses, bob):
    entry = Canvas.objects.create(app_group=acme, name="A", segment=segment)
    entry.exit_segments.create(segment=segment)
    Canvas.objects.create(app_group=acme, name="B").exit_segments.create(segment=segment)
    assert uses() == [("A", False, ""), ("B", False, "")]
    assert refused(segment, bob) == ["A", "B"]


def test_a_canvas_uses_a_segment_through_another(acme, segment, uses, bob, signed_in):
    inner = {"segment": str(segment.api_id), "op": "not_in"}
    between = Segment.objects.create(app_group=acme, name="Between", filter=inner)
    Canvas.objects.create(app_group=acme, name="Far", segment=between, state=LIVE)
    assert uses() == [("Far", True, "Between"), ("Between", False, "")]
    assert refused(segment, bob) == ["Between"]
    page = signed_in(bob).get(reverse("segment", args=["acme", segment.pk])).content.decode()
    assert "through “<bdi>Between</bdi>”" in page
    assert "1 live canvas uses this segment." in page


def test_a_stopped_canvas_that_no_longer_names_a_segment_frees_it(acme, segment, bob):
    live.subscribe(acme, listener=987654, role="exit", segment=segment, now=timezone.now())
    live.pause(987654)
    edit.remove(segment, by=bob)
    assert not Subscription.objects.exists()
