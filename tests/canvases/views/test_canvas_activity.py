"""Edits of a canvas and its steps are logged with the values before and after.

The subject of an activity is the name of the canvas; a step is of kind "component", as on screen.
"""

import pytest

from audiencesync.groups.models import Activity
from partners.models import Audience

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def logged():
    """Return (verb, kind, subject, [(what, before, after)]) of each activity, newest first."""
    return [
        (
            activity.verb,
            activity.kind,
            activity.subject,
            [(change.what, change.before, change.after) for change in activity.shown_changes],
        )
        for activity in Activity.objects.all()
    ]


def test_an_edited_step_logs_the_changed_settings(bob_editor, canvas, eu, winback):
    other = Audience.objects.create(
        ad_account=eu, remote_id="1002", name="lookback", kind="Partner", size=5000
    )
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    bob_editor.save_sync(step, other, action="remove")

    assert logged()[0] == (
        "changed",
        "component",
        canvas.name,
        [
            ("Audience", "winback", "lookback"),
            ("Action", "Add users to audience", "Remove users from audience"),
        ],
    )
    assert logged()[-1] == (
        "created",
        "component",
        canvas.name,
        [("Component", "–", "Audience Sync")],
    )


def test_a_save_without_changes_is_not_logged(bob_editor, winback):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    n_before = Activity.objects.count()

    bob_editor.save_sync(step, winback)

    assert Activity.objects.count() == n_before


def test_a_renamed_canvas_logs_its_old_name(bob_editor, canvas, segment):
    # The form of the entry has the name, too; ``version`` is that of the canvas it showed.
    bob_editor.post("canvas_entry", name="Basket", segment=segment.pk, version=1)

    assert logged() == [("changed", "canvas", "Cart", [("Name", "Cart", "Basket")])]


def test_archiving_is_logged_as_a_removal_with_the_former_state(bob_editor, canvas):
    bob_editor.post("canvas_archive")

    assert logged() == [("removed", "canvas", canvas.name, [("State", "Draft", "Archived")])]


def test_a_removed_step_is_logged(bob_editor, canvas):
    step = bob_editor.add_step("delay")
    bob_editor.post("step_remove", step.pk)

    assert logged()[0] == ("removed", "component", canvas.name, [("Component", "Delay", "–")])
