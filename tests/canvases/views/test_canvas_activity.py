"""Edits of a canvas and its steps are logged with the values before and after."""

import pytest

from audiencesync.groups.models import Activity
from partners.models import Audience

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def lines():
    """Return (verb, kind, subject, [(what, before, after)]) of each activity, newest first."""
    return [
        (
            one.verb,
            one.kind,
            one.subject,
            [(change.what, change.before, change.after) for change in one.shown_changes],
        )
        for one in Activity.objects.all()
    ]


def test_an_edited_step_logs_the_changed_settings(bobs, eu, winback):
    other = Audience.objects.create(
        ad_account=eu, remote_id="1002", name="lookback", kind="Partner", size=5000
    )
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)
    bobs.set_up(step, other, action="remove")

    assert lines()[0] == (
        "changed",
        "component",
        "Cart",
        [
            ("Audience", "winback", "lookback"),
            ("Action", "Add users to audience", "Remove users from audience"),
        ],
    )
    assert lines()[-1] == ("created", "component", "Cart", [("Component", "–", "Audience Sync")])


def test_a_save_without_changes_is_not_logged(bobs, winback):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)
    before = Activity.objects.count()

    bobs.set_up(step, winback)

    assert Activity.objects.count() == before


def test_a_renamed_canvas_logs_its_old_name(bobs, canvas, segment):
    bobs.post("canvas_entry", name="Basket", segment=segment.pk, version=1)

    assert lines() == [("changed", "canvas", "Cart", [("Name", "Cart", "Basket")])]


def test_archiving_logs_the_former_state(bobs):
    bobs.post("canvas_archive")

    assert lines() == [("removed", "canvas", "Cart", [("State", "Draft", "Archived")])]


def test_a_removed_step_is_logged(bobs):
    step = bobs.add("delay")
    bobs.post("step_remove", step.pk)

    assert lines()[0] == ("removed", "component", "Cart", [("Component", "Delay", "–")])
