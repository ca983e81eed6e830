"""The parts of a sentence about people: "whose country is DE", "who never bought something"."""

from __future__ import annotations

from datetime import date

from django.utils import formats
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiencesync.people.segments.nodes import (
    EVENT,
    RELATIVE,
    AudienceCondition,
    Condition,
    EventCondition,
    SegmentCondition,
)

Text = str | Promise
# Operator -> its words, and its words where it is negated.
_OF_PROFILE: dict[str, tuple[Text, Text]] = {
    "is": (
        gettext_lazy("whose %(field)s is %(value)s"),
        gettext_lazy("whose %(field)s is not %(value)s"),
    ),
    "contains": (
        gettext_lazy("whose %(field)s contains %(value)s"),
        gettext_lazy("whose %(field)s does not contain %(value)s"),
    ),
    "starts_with": (
        gettext_lazy("whose %(field)s starts with %(value)s"),
        gettext_lazy("whose %(field)s does not start with %(value)s"),
    ),
    "greater": (
        gettext_lazy("whose %(field)s is greater than %(value)s"),
        gettext_lazy("whose %(field)s is not greater than %(value)s"),
    ),
    "less": (
        gettext_lazy("whose %(field)s is less than %(value)s"),
        gettext_lazy("whose %(field)s is not less than %(value)s"),
    ),
    "after": (
        gettext_lazy("whose %(field)s is after %(value)s"),
        gettext_lazy("whose %(field)s is not after %(value)s"),
    ),
    "before": (
        gettext_lazy("whose %(field)s is before %(value)s"),
        gettext_lazy("whose %(field)s is not before %(value)s"),
    ),
    "in": (
        gettext_lazy("whose %(field)s is one of %(value)s"),
        gettext_lazy("whose %(field)s is none of %(value)s"),
    ),
    "is_true": (
        gettext_lazy("whose %(field)s is true"),
        gettext_lazy("whose %(field)s is not true"),
    ),
    "is_false": (
        gettext_lazy("whose %(field)s is false"),
        gettext_lazy("whose %(field)s is not false"),
    ),
    "exists": (
        gettext_lazy("whose %(field)s is known"),
        gettext_lazy("whose %(field)s is not known"),
    ),
}
# (field, operator) -> the same two, where the words of _OF_PROFILE do not fit.
_SPECIAL: dict[tuple[str, str], tuple[Text, Text]] = {
    ("ads_consent", "is_true"): (
        gettext_lazy("who consents to advertising"),
        gettext_lazy("who has not consented to advertising"),
    ),
    ("ads_consent", "is_false"): (
        gettext_lazy("who refuses advertising"),
        gettext_lazy("who does not refuse advertising"),
    ),
    ("ad_tracking_enabled", "is_true"): (
        gettext_lazy("whose device allows ad tracking"),
        gettext_lazy("whose device does not allow ad tracking"),
    ),
    ("ad_tracking_enabled", "is_false"): (
        gettext_lazy("whose device refuses ad tracking"),
        gettext_lazy("whose device does not refuse ad tracking"),
    ),
    ("import", "is"): (
        gettext_lazy("who is in the CSV import %(value)s"),
        gettext_lazy("who is not in the CSV import %(value)s"),
    ),
    ("import", "in"): (
        gettext_lazy("who is in one of the CSV imports %(value)s"),
        gettext_lazy("who is in none of the CSV imports %(value)s"),
    ),
}
_OPPOSITE = {"is_not": "is", "missing": "exists"}
_PERFORMED = (
    gettext_lazy("who performed %(what)s %(how_often)s"),
    gettext_lazy("who did not perform %(what)s %(how_often)s"),
)
_BOUGHT = (
    gettext_lazy("who bought %(what)s %(how_often)s"),
    gettext_lazy("who did not buy %(what)s %(how_often)s"),
)
_SEGMENT = (
    gettext_lazy("who is in the segment “%(name)s”"),
    gettext_lazy("who is not in the segment “%(name)s”"),
)
_AUDIENCE = (
    gettext_lazy("who is in the audience “%(name)s”"),
    gettext_lazy("who is not in the audience “%(name)s”"),
)


def of_profile(node: Condition, label: str, value: str, *, is_negated: bool) -> str:
    """Return a condition on a field or attribute; ``label`` and ``value`` in words."""
    if node.op in RELATIVE:
        return _relative(node.op, label, int(str(node.value)), is_negated=is_negated)
    op = _OPPOSITE.get(node.op, node.op)
    is_negated ^= op != node.op  # "is not" is a negated "is"
    if isinstance(node.value, str) and op in ("greater", "less"):
        op = {"greater": "after", "less": "before"}[op]
        value = day(node.value)
    texts = _SPECIAL.get((node.field, op)) or _OF_PROFILE[op]
    return str(texts[is_negated]) % {"field": label, "value": value}


def _relative(op: str, label: str, n: int, *, is_negated: bool) -> str:
    if op == "more_than_days_ago":
        texts = (
            ngettext(
                "whose %(field)s is more than %(n)d day ago",
                "whose %(field)s is more than %(n)d days ago",
                n,
            ),
            ngettext(
                "whose %(field)s is not more than %(n)d day ago",
                "whose %(field)s is not more than %(n)d days ago",
                n,
            ),
        )
    elif op == "less_than_days_ago":
        texts = (
            ngettext(
                "whose %(field)s is less than %(n)d day ago",
                "whose %(field)s is less than %(n)d days ago",
                n,
            ),
            ngettext(
                "whose %(field)s is not less than %(n)d day ago",
                "whose %(field)s is not less than %(n)d days ago",
                n,
            ),
        )
    else:
        texts = (
            ngettext(
                "whose %(field)s is today or tomorrow",
                "whose %(field)s is in the next %(n)d days",
                n,
            ),
            ngettext(
                "whose %(field)s is neither today nor tomorrow",
                "whose %(field)s is not in the next %(n)d days",
                n,
            ),
        )
    return texts[is_negated] % {"field": label, "n": n}


def of_event(node: EventCondition, subject: str, *, is_negated: bool) -> str:
    """Return a condition on events; ``subject``: the event or product, with its properties."""
    is_event = node.kind == EVENT
    if node.op.startswith(("first", "last")):
        how_often = _first_or_last(node)
    else:
        op, n, is_negated = _times(node, is_negated=is_negated)
        if op == "never":
            return _never(subject, node.days, is_event=is_event)
        how_often = f"{_how_often(op, n)} {_period(node.days)}".strip()
    texts = (_PERFORMED if is_event else _BOUGHT)[is_negated]
    return str(texts) % {"what": subject, "how_often": how_often}


def _times(node: EventCondition, *, is_negated: bool) -> tuple[str, int, bool]:
    """Return operator, number and negation of the same condition in the words that read best.

    "Not at least once" becomes "never", and "not at least 3 times" becomes "at most twice".
    """
    op, n = node.op, node.n
    if op == "never" or (n == 0 and op != "at_least"):
        return ("at_least", 1, False) if is_negated else ("never", 0, False)
    if not is_negated or op == "exactly":
        return op, n, is_negated
    if op == "at_most":
        return "at_least", n + 1, False
    return ("at_most", n - 1, False) if n > 1 else ("never", 0, False)


def _never(subject: str, days: int | None, *, is_event: bool) -> str:
    if days is None:
        text = _("who never performed %(what)s") if is_event else _("who never bought %(what)s")
    elif is_event:
        text = _("who never performed %(what)s %(period)s")
    else:
        text = _("who never bought %(what)s %(period)s")
    return text % {"what": subject, "period": _period(days)}


def _how_often(op: str, n: int) -> str:
    if op == "at_least":
        text = ngettext("at least once", "at least %(n)d times", n)
    elif op == "at_most":
        text = ngettext("at most once", "at most %(n)d times", n)
    else:
        text = ngettext("exactly once", "exactly %(n)d times", n)
    return text % {"n": n}


def _period(days: int | None) -> str:
    if days is None:
        return ""
    text = ngettext("in the last 24 hours", "in the last %(days)d days", days)
    return text % {"days": days}


def _first_or_last(node: EventCondition) -> str:
    if node.day:
        texts = {
            "first_before": _("for the first time before %(day)s"),
            "first_after": _("for the first time after %(day)s"),
            "last_before": _("for the last time before %(day)s"),
            "last_after": _("for the last time after %(day)s"),
        }
        return texts[node.op] % {"day": day(node.day)}
    n = node.days or 0
    texts = {
        "first_before": ngettext(
            "for the first time more than %(n)d day ago",
            "for the first time more than %(n)d days ago",
            n,
        ),
        "first_after": ngettext(
            "for the first time less than %(n)d day ago",
            "for the first time less than %(n)d days ago",
            n,
        ),
        "last_before": ngettext(
            "for the last time more than %(n)d day ago",
            "for the last time more than %(n)d days ago",
            n,
        ),
        "last_after": ngettext(
            "for the last time less than %(n)d day ago",
            "for the last time less than %(n)d days ago",
            n,
        ),
    }
    return texts[node.op] % {"n": n}


def of_member(node: SegmentCondition | AudienceCondition, name: str, *, is_negated: bool) -> str:
    """Return a condition on a segment or an audience."""
    texts = _SEGMENT if isinstance(node, SegmentCondition) else _AUDIENCE
    return str(texts[is_negated != (node.op == "not_in")]) % {"name": name}


def day(text: str) -> str:
    """Return a day such as 2026-11-23 as people write it."""
    return formats.date_format(date.fromisoformat(text), "DATE_FORMAT")
