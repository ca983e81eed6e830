"""The entry panel stores who enters and when, re-entry, caps, and what ends a visit early."""

import pytest

from audiencesync.people.models.live import Subscription
from canvases.models import Canvas

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

TIMES = {"every": "week", "on": "2126-12-01", "at": "14:00", "weekdays": ["0", "3"]}


def exits(*rows):
    """Return the fields of the rows of exit events."""
    fields = {"exit-TOTAL_FORMS": len(rows), "exit-INITIAL_FORMS": 0}
    for n, (kind, name) in enumerate(rows):
        fields |= {f"exit-{n}-kind": kind, f"exit-{n}-name": name}
    return fields


@pytest.mark.parametrize(
    ("fields", "entry"),
    [
        ({"entry_by": "segment"}, {}),
        (
            {"entry_by": "event", "event_kind": "event", "event_name": "cart"},
            {"kind": "event", "name": "cart", "where": []},
        ),
        (
            {"entry_by": "event", "event_kind": "purchase"},
            {"kind": "purchase", "name": "", "where": []},
        ),
        (
            {"entry_by": "schedule", **TIMES},
            {
                "every": "week",
                "on": "2126-12-01",
                "at": "14:00",
                "weekdays": [0, 3],
                "until": None,
            },
        ),
        ({"entry_by": "call", **TIMES, "event_name": "ignored"}, {}),
    ],
)
def test_each_kind_of_entry_is_stored(save, canvas, segment, fields, entry):
    answer = save(segment=segment.pk, **fields)

    assert answer.status_code == 302
    assert (canvas.entry_by, canvas.entry) == (fields["entry_by"], entry)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"entry_by": "segment"}, "Choose a segment."),
        ({"entry_by": "event", "event_kind": "event"}, "Give the name of the event."),
        (
            {"entry_by": "schedule", **TIMES, "on": "2020-01-01", "until": "2020-02-01"},
            "in the past",
        ),
        ({"entry_by": "schedule", **TIMES, "until": "2126-11-01"}, "before the beginning"),
        ({"entry_by": "schedule", **TIMES, "weekdays": []}, "at least one day of the week"),
        ({"entry_by": "schedule", **TIMES, "at": "25:00"}, "Enter a valid time."),
        ({"entry_by": "call", "cap_total": "0"}, "greater than or equal to 1"),
        ({"entry_by": "call", "reentry": "days"}, "Give the number of days."),
        ({"entry_by": "call", **exits(("event", ""))}, "Give the name of the event."),
        ({"entry_by": "call", **exits(*[("purchase", "")] * 11)}, "Complete the events"),
        ({"entry_by": "call", "exit-TOTAL_FORMS": "x"}, "Complete the events"),
    ],
)
def test_an_incomplete_entry_is_refused_with_a_reason(save, canvas, fields, words):
    answer = save(segment="", **fields) if fields["entry_by"] != "schedule" else save(**fields)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert canvas.version == 1


def test_an_unknown_kind_of_entry_is_refused(save):
    assert save(entry_by="tarot").status_code == 422


@pytest.mark.parametrize(
    ("entry_by", "field"), [("launch", "reentry"), ("segment", "reentry_live")]
)
def test_reentry_after_days_is_stored(save, canvas, segment, entry_by, field):
    save(segment=segment.pk, entry_by=entry_by, **{field: "days"}, reentry_days=30)

    assert (canvas.reentry, canvas.reentry_days) == ("days", 30)


def test_a_draft_proposes_reentry_after_leaving_for_live_segments(bob_editor):
    page = bob_editor.get(entry=1).content.decode()

    assert 'value="never" id="id_reentry_0" checked' in " ".join(page.split())
    assert 'value="left" id="id_reentry_live_1" checked' in " ".join(page.split())


def test_caps_and_exits_are_stored(save, canvas, segment, acme):
    joined = acme.segments.create(name="Customers")

    save(
        segment=segment.pk,
        cap_total=5000,
        cap_per_day=100,
        exit_segments=[joined.pk],
        **exits(("event", "login"), ("purchase", "")),
    )

    assert (canvas.cap_total, canvas.cap_per_day) == (5000, 100)
    assert canvas.exits == {
        "events": [
            {"kind": "event", "name": "login", "where": []},
            {"kind": "purchase", "name": "", "where": []},
        ]
    }
    assert [one.segment for one in canvas.exit_segments.all()] == [joined]


def test_exit_events_stay_if_their_part_of_the_form_is_missing(save, canvas, segment):
    save(segment=segment.pk, **exits(("event", "login")))
    stored = canvas.exits

    assert save(segment=segment.pk, cap_total=7).status_code == 302
    assert (canvas.cap_total, canvas.exits) == (7, stored)
    assert stored["events"] == [{"kind": "event", "name": "login", "where": []}]


@pytest.mark.parametrize(("fields", "left"), [({"exit_left": "on"}, True), ({}, False)])
def test_leaving_a_live_segment_ends_visits_only_if_ticked(save, canvas, segment, fields, left):
    save(segment=segment.pk, entry_by="segment", **fields)

    assert canvas.exits["left"] is left


@pytest.mark.parametrize("entry_by", ["launch", "call"])
def test_leaving_the_segment_ends_visits_of_other_entries_if_ticked(
    save, canvas, segment, entry_by
):
    for segment_id, ticked in [(segment.pk, {"exit_left": "on"}), ("", {"exit_left_others": "on"})]:
        save(segment=segment_id, entry_by="call", **ticked)
        assert "left" not in canvas.exits

    save(segment=segment.pk, entry_by=entry_by, exit_left_others="on")

    assert canvas.exits["left"] is True


def test_leaving_the_segment_becomes_an_exit_of_a_live_canvas(save, bob_editor, canvas, segment):
    save(segment=segment.pk)
    Canvas.objects.filter(pk=canvas.pk).update(state="live")
    page = bob_editor.get(entry=1).content.decode()
    assert page.count("exit_left") == page.count("exit_left_others") > 0

    save(exit_left_others="on")

    assert Subscription.objects.get(listener=canvas.pk, role="entry").is_leave_only


def test_changed_exits_of_a_live_canvas_are_watched_at_once(save, canvas, segment):
    save(segment=segment.pk, **exits(("event", "old")))
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    save(**exits(("event", "new")))

    watched = Subscription.objects.filter(listener=canvas.pk, role="exit")
    assert [one.name for one in watched] == ["new"]


def test_joining_the_entry_segment_is_no_exit(save, segment):
    answer = save(segment=segment.pk, exit_segments=[segment.pk])

    assert answer.status_code == 422


def test_an_exit_segment_of_another_group_is_refused(save, segment, other_group):
    theirs = other_group.segments.create(name="Theirs")

    assert save(segment=segment.pk, exit_segments=[theirs.pk]).status_code == 422


def test_a_live_canvas_keeps_its_entry_and_changes_its_caps(save, canvas, segment):
    save(segment=segment.pk, entry_by="event", event_name="cart")
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    save(entry_by="call", event_name="other", cap_total=7, **exits(("event", "login")))

    assert (canvas.entry_by, canvas.entry["name"]) == ("event", "cart")
    assert canvas.cap_total == 7
    assert canvas.exits["events"][0]["name"] == "login"


def test_a_canvas_by_call_needs_no_segment_and_shows_its_call(save, canvas, bob_editor):
    save(segment="", entry_by="call")

    page = bob_editor.get(entry=1).content.decode()
    assert canvas.segment is None
    assert str(canvas.api_id) in page
    assert "/canvas/trigger/send" in page


def test_a_save_is_logged_field_by_field(save, segment, acme):
    save(segment=segment.pk, entry_by="segment", cap_total=5)

    line = acme.activities.latest("pk")
    changed = {change["what"]: (change["before"], change["after"]) for change in line.changes}
    assert changed["Most entries in all"] == (None, "5")
    assert changed["Who enters"][1] == {"text": "Everybody in the segment, kept up to date"}
