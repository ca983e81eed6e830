"""A launch from an outdated page is not made; the page is shown again instead."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine
from canvases.models import Canvas
from canvases.views import launch
from tests.site.forms import Forms

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(bob_editor, winback):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    return step


def opened(editor, panel="launch"):
    """Return the fields of the form of a panel."""
    page = editor.get(**{panel: 1}).content.decode()
    return next(one["fields"] for one in Forms(page).found if f"/{panel}/" in one["action"])


def stop_again(canvas, bob):
    engine.launch(canvas, by=bob, now=timezone.now())
    engine.stop(canvas, by=bob, now=timezone.now())


@pytest.mark.parametrize("change", ["step", "entry", "segment", "stopped"])
def test_an_edit_meanwhile_is_looked_at_first(bob_editor, step, canvas, segment, bob, change):
    stale = opened(bob_editor)
    if change == "step":
        bob_editor.add_step("delay")
    elif change == "entry":
        fields = {"version": canvas.version, "name": "Cart", "entry_by": "launch"}
        bob_editor.post("canvas_entry", **fields, segment=segment.pk)
    elif change == "segment":
        Segment.objects.filter(pk=segment.pk).update(filter={}, version=2)
    else:
        stop_again(canvas, bob)
    before = Canvas.objects.get(pk=canvas.pk).state

    answer = bob_editor.post("canvas_launch", **stale)

    assert answer.status_code == 409
    assert "was changed since this page was loaded" in answer.content.decode()
    assert Canvas.objects.get(pk=canvas.pk).state == before
    assert bob_editor.post("canvas_launch", **opened(bob_editor)).status_code == 302
    assert Canvas.objects.get(pk=canvas.pk).state == "live"


@pytest.mark.parametrize("is_archived", [False, True])
def test_an_edit_amid_the_launch_stops_it(bob_editor, step, canvas, monkeypatch, is_archived):
    state = "archived" if is_archived else "draft"

    def edited_meanwhile(*args, **kwargs):
        Canvas.objects.filter(pk=canvas.pk).update(state=state, edited_at=timezone.now())

    monkeypatch.setattr(launch.engine, "prepare_waits", edited_meanwhile)
    assert bob_editor.post("canvas_launch", **opened(bob_editor)).status_code == 409
    assert Canvas.objects.get(pk=canvas.pk).state == state


def test_a_stop_sent_again_after_the_next_launch_discards_no_one(
    bob_editor, step, canvas, people, bob
):
    engine.launch(canvas, by=bob, now=timezone.now())
    stale = opened(bob_editor, "stop") | {"waiting": "discard"}
    assert bob_editor.post("canvas_stop", **stale).status_code == 302
    engine.launch(canvas, by=bob, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())

    answer = bob_editor.post("canvas_stop", **stale)

    assert answer.status_code == 409
    assert "was launched again since" in answer.content.decode()
    assert Canvas.objects.get(pk=canvas.pk).state == "live"
    assert bob_editor.post("canvas_stop", launched_at=stale["launched_at"]).status_code == 302
    step.refresh_from_db()
    assert not step.sync.batches.filter(cancel_requested=True).exists()
    assert step.sync.tally.pending == 10
