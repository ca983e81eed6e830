"""A change of the fields of a mirroring step sends all people again, so the form asks first."""

import pytest
from django.utils import timezone

from audiencesync.people.models.live import SegmentMember
from canvases import engine
from canvases.models import Canvas
from partners.models import Sync

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
BOTH = ["email", "phone"]


@pytest.fixture
def mirror(bob_editor, winback, canvas, people, alice):
    """A live canvas that keeps winback equal to its segment of twelve people, ten with e-mail."""
    Canvas.objects.update(entry_by="segment", reentry="left")
    canvas.refresh_from_db()
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback, removes="on")
    engine.launch(canvas, by=alice, now=timezone.now())
    while engine.move_all(now=timezone.now()):
        pass
    step.refresh_from_db()
    return step


def test_other_fields_are_saved_after_a_tick(bob_editor, mirror, winback):
    answer = bob_editor.save_sync(mirror, winback, removes="on", kinds=BOTH)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "10 people are removed from the audience and added again with these fields." in page
    assert Sync.objects.get(undoes=None).kinds == ["email"]
    assert (
        bob_editor.save_sync(
            mirror, winback, removes="on", kinds=BOTH, again="on", waiting="travel"
        ).status_code
        == 302
    )
    mirror.refresh_from_db()
    assert mirror.sync.kinds == BOTH


def test_a_limit_is_named(bob_editor, mirror, winback):
    Canvas.objects.update(cap_total=20)
    page = bob_editor.save_sync(mirror, winback, removes="on", kinds=BOTH).content.decode()
    assert "The limits of the entry count them, too, and may turn them away." in page


@pytest.mark.parametrize("reentry", ["never", "days"])
def test_people_who_could_not_come_back_are_not_removed(bob_editor, mirror, winback, reentry):
    Canvas.objects.update(reentry=reentry, reentry_days=3 if reentry == "days" else None)

    answer = bob_editor.save_sync(mirror, winback, removes="on", kinds=BOTH, again="on")

    assert (answer.status_code, "“After leaving”" in answer.content.decode()) == (422, True)
    assert Sync.objects.get(undoes=None).kinds == ["email"]


@pytest.mark.parametrize(
    "more", [{"removes": "on"}, {"kinds": BOTH}, {"removes": "on", "step_name": "Mirror"}]
)
def test_nothing_is_asked_if_no_one_is_sent_again(bob_editor, mirror, winback, more):
    assert bob_editor.save_sync(mirror, winback, waiting="travel", **more).status_code == 302


def test_a_tick_to_remove_people_sends_those_again_who_are_there(bob_editor, mirror, winback):
    bob_editor.save_sync(mirror, winback)
    # Nothing is asked, because what is sent for these people is the same as before.
    assert bob_editor.save_sync(mirror, winback, removes="on").status_code == 302
    bob_editor.save_sync(mirror, winback)
    SegmentMember.objects.update(fingerprint="")  # as in a canvas that never removed people
    page = bob_editor.save_sync(mirror, winback, removes="on").content.decode()
    assert "10 people are removed from the audience" in page
