"""What people wait for, in words: on a card, as the name of a branch, in a rehearsal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from django.utils.text import Truncator, capfirst
from django.utils.translation import gettext

from canvases.entry_card import event_property, words
from canvases.steps.base import Text
from canvases.steps.numbered import MAX_NAME_LENGTH

Row = Mapping[str, Any]
SHOWN_EVENTS = 2  # on a card, of several


def happens_text(row: Row, segments: Mapping[str, str]) -> str:
    """Return text such as: event “cart” happens. ``segments``: their names by API id."""
    if row["kind"] != "segment":
        return words.event(row)
    return gettext("they join the segment “%(segment)s”") % {"segment": _segment(row, segments)}


def did_text(row: Row, segments: Mapping[str, str]) -> str:
    """Return text such as: did “cart” where total is greater than 50."""
    event = _did_text(row, segments)
    if row["kind"] == "segment" or not (condition := event_property.words(row)):
        return event
    return gettext("%(event)s where %(condition)s") % {"event": event, "condition": condition}


def _did_text(row: Row, segments: Mapping[str, str]) -> str:
    name = str(row.get("name") or "")
    if row["kind"] == "segment":
        return gettext("joined “%(segment)s”") % {"segment": _segment(row, segments)}
    if row["kind"] != "purchase":
        return gettext("did “%(name)s”") % {"name": name}
    return gettext("bought “%(name)s”") % {"name": name} if name else gettext("bought anything")


def _segment(row: Row, segments: Mapping[str, str]) -> str:
    return segments.get(row["segment"], row["segment"])


def summary(
    rows: Sequence[Row], segments: Mapping[str, str], *, time: Text, is_ranked: bool
) -> str:
    """Return text such as: Did “cart” or joined “VIP” within 3 days; the first decides."""
    shown = [did_text(row, segments) for row in rows[:SHOWN_EVENTS]]
    if len(rows) > SHOWN_EVENTS:
        shown.append(gettext("%(n)s more") % {"n": len(rows) - SHOWN_EVENTS})
    params = {"events": capfirst(gettext(" or ").join(shown)), "time": time}
    if len(rows) == 1:
        return gettext("%(events)s within %(time)s") % params
    if is_ranked:
        return gettext("%(events)s within %(time)s; the most important decides") % params
    return gettext("%(events)s within %(time)s; the first decides") % params


def has_own_name(row: Row, segments: Mapping[str, str]) -> bool:
    """Return whether a user typed the name of a branch. Otherwise it was generated.

    A generated name may end with a number such as " (2)".
    """
    generated = _generated_name(row, segments)
    return row["label"] != generated.chars(MAX_NAME_LENGTH) and not row["label"].startswith(
        f"{generated.chars(MAX_NAME_LENGTH - 4)} ("
    )


def name_of_branch(row: Row, segments: Mapping[str, str], *, used: Collection[str]) -> str:
    """Return a name that no other branch has, such as: Did “cart”."""
    name = _generated_name(row, segments)
    numbered = (f"{name.chars(MAX_NAME_LENGTH - 4)} ({n})" for n in range(2, len(used) + 2))
    return next(one for one in (name.chars(MAX_NAME_LENGTH), *numbered) if one not in used)


def _generated_name(row: Row, segments: Mapping[str, str]) -> Truncator:
    return Truncator(capfirst(_did_text(row, segments)))
