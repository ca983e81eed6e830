"""What the numbers of a canvas mean, and why people leave it early."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from canvases.help.entries import Entry
from canvases.models import LeftBy
from canvases.steps.base import Text

NUMBERS = (
    Entry(
        "canvas-entered",
        _("Entered the canvas"),
        _("Visits since the launch: people who may enter again count once for each visit."),
        _("Fewer than expected? Look at the entry of the canvas: its segment, event or schedule."),
    ),
    Entry(
        "canvas-inside",
        _("Inside now"),
        _("People who wait at a component of the canvas at this time."),
        _("Nothing. The list of components says where they wait."),
    ),
    Entry(
        "canvas-through",
        _("Went all the way"),
        _("People who came to the end of their branch."),
        _("Nothing. They stay in their audiences, unless a component removes people again."),
    ),
    Entry(
        "canvas-left",
        _("Left early"),
        _("People who left the canvas before the end of their branch."),
        _("The reasons stand on the page of the canvas's numbers, each with its people."),
    ),
    Entry(
        "canvas-turned-away",
        _("Turned away by a limit"),
        _("How often people could have entered, but the limit on entries was reached."),
        _("Raise the limit in the entry of the canvas if more people should enter."),
    ),
)
CAUSES: dict[LeftBy, Text] = {
    LeftBy.EVENT: _("An event that ends a visit was received, such as a purchase."),
    LeftBy.SEGMENT: _("They no longer fit the segment through which they entered."),
    LeftBy.JOINED: _("They came into a segment that ends a visit."),
    LeftBy.CHANGED: _("Their e-mail address, phone number or device ID was replaced."),
    LeftBy.ERASED: _("The profile was erased."),
    LeftBy.REMOVED: _("The component at which they waited was removed from the canvas."),
    LeftBy.MERGED: _("Two profiles are one person, and one of the two visits was kept."),
}
ADVICE: dict[LeftBy, Text] = {
    LeftBy.EVENT: _("Nothing, unless they should go on: change the exits in the entry."),
    LeftBy.SEGMENT: _("Nothing, unless they should go on: change the exits in the entry."),
    LeftBy.JOINED: _("Nothing, unless they should go on: change the exits in the entry."),
    LeftBy.CHANGED: _("Nothing: they entered again, and the new values are sent."),
    LeftBy.ERASED: _("Nothing: people who were erased are removed from the audiences, too."),
    LeftBy.REMOVED: _("Nothing. The activity log names who removed it and when."),
    LeftBy.MERGED: _("Nothing: the person who was kept goes on."),
}


def exits() -> list[Entry]:
    """Return why people leave early."""
    return [
        Entry(f"left_{reason}", reason.label, CAUSES[reason], ADVICE[reason]) for reason in LeftBy
    ]
