"""The tree of a filter, its limits, and the fields and operators of the language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from audiencesync.people.parsers import spellings

MAX_DEPTH, MAX_NODES = 5, 100  # levels of groups; groups and conditions
MAX_LIST, MAX_LISTED = 1000, 10_000  # values of one list, and of all lists of a filter
MAX_TEXT = 255  # characters of a value
MAX_TIMES, MAX_DAYS, MAX_WHERE = 1000, 3650, 5  # MAX_WHERE: properties of a condition on events
MAX_CHAIN = 5  # segments that refer to one another in a row
MAX_NUMBER = 2**53  # beyond it the databases round differently
CUSTOM = "custom."  # prefix of an attribute in ``Condition.field``
PERSONAL = frozenset({"external_id", "email"})  # fields whose values viewers must not read
LONGEST_NAME = 255  # characters
Scalar = str | int | float

OPS: dict[str, str | Promise] = {
    "is": gettext_lazy("is"),
    "is_not": gettext_lazy("is not"),
    "contains": gettext_lazy("contains"),
    "starts_with": gettext_lazy("starts with"),
    "greater": gettext_lazy("is greater than, or after"),
    "less": gettext_lazy("is less than, or before"),
    "is_true": gettext_lazy("is true"),
    "is_false": gettext_lazy("is false"),
    "exists": gettext_lazy("exists"),
    "missing": gettext_lazy("does not exist"),
    "in": gettext_lazy("is one of"),
    "more_than_days_ago": gettext_lazy("is more than … days ago"),
    "less_than_days_ago": gettext_lazy("is less than … days ago"),
    "in_the_next_days": gettext_lazy("is in the next … days"),
}
# The same operators, worded for days and for numbers.
OF_DAYS: dict[str, str | Promise] = {
    "greater": gettext_lazy("is after"),
    "less": gettext_lazy("is before"),
}
OF_NUMBERS: dict[str, str | Promise] = {
    "greater": gettext_lazy("is greater than"),
    "less": gettext_lazy("is less than"),
}
NO_VALUE = frozenset({"is_true", "is_false", "exists", "missing"})
PRESENT = frozenset({"exists", "missing"})  # whether there is a value at all
RELATIVE = frozenset({"more_than_days_ago", "less_than_days_ago", "in_the_next_days"})
CODES = {"country": spellings.country, "language": spellings.language}  # parsers of stored codes
_TEXT = frozenset({"is", "is_not", "contains", "starts_with", "in"}) | PRESENT
BOOLEAN = frozenset({"is_true", "is_false"}) | PRESENT
_TIME = frozenset({"greater", "less", "more_than_days_ago", "less_than_days_ago"})

# Field of a profile -> its label and its operators.
FIELDS: dict[str, tuple[str | Promise, frozenset[str]]] = {
    "external_id": (gettext_lazy("external ID"), _TEXT - PRESENT),
    "email": (gettext_lazy("e-mail"), frozenset({"contains"}) | PRESENT),
    "phone": (gettext_lazy("phone"), PRESENT),
    "idfa": (gettext_lazy("iOS IDFA"), PRESENT),
    "gaid": (gettext_lazy("Android GAID"), PRESENT),
    "country": (gettext_lazy("country"), _TEXT),
    "language": (gettext_lazy("language"), _TEXT),
    "ad_tracking_enabled": (gettext_lazy("ad tracking enabled"), BOOLEAN),
    "ads_consent": (gettext_lazy("consent to advertising"), BOOLEAN),
    "created_at": (gettext_lazy("created on"), _TIME),
    "import": (gettext_lazy("number of the CSV import"), frozenset({"is", "is_not", "in"})),
}

EVENT, PURCHASE = "event", "purchase"
COUNTED = frozenset({"at_least", "at_most", "exactly"})
TIMED_FIRST_LAST = frozenset({"first_before", "first_after", "last_before", "last_after"})
EVENT_OPS: dict[str, str | Promise] = {
    "at_least": gettext_lazy("at least"),
    "at_most": gettext_lazy("at most"),
    "exactly": gettext_lazy("exactly"),
    "never": gettext_lazy("never"),
    "first_before": gettext_lazy("for the first time before"),
    "first_after": gettext_lazy("for the first time after"),
    "last_before": gettext_lazy("for the last time before"),
    "last_after": gettext_lazy("for the last time after"),
}
# What a purchase has beside its properties.
COLUMNS: dict[str, str | Promise] = {
    "price": gettext_lazy("price"),
    "quantity": gettext_lazy("quantity"),
    "currency": gettext_lazy("currency"),
}
_AMOUNT_OPS = frozenset({"is", "is_not", "in", "greater", "less"})
COLUMN_OPS = {"price": _AMOUNT_OPS, "quantity": _AMOUNT_OPS, "currency": _TEXT - PRESENT}
MEMBER_OPS = frozenset({"in", "not_in"})


class FilterError(ValueError):
    """An error in a filter: ``path`` such as ``all[2].value``, ``message`` in words."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path, self.message = path, message


@dataclass(frozen=True, slots=True)
class Condition:
    """A valid comparison of a field of a profile, or of a property of an event."""

    field: str
    op: str
    value: Scalar | tuple[Scalar, ...] | None = None


@dataclass(frozen=True, slots=True)
class EventCondition:
    """How often, or when, a person performed an event or made a purchase.

    ``kind``: EVENT or PURCHASE; ``name``: of the event, or a product, empty for any purchase.
    ``days``: the period, or how many days ago a first or last time was; None: at any time.
    ``day``: such as 2026-11-23, for a first or last time.
    """

    kind: str
    name: str
    op: str
    n: int = 0
    days: int | None = None
    day: str = ""
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentCondition:
    """In or not in another segment of the same group, named by its api_id.

    The primary key is not used: the REST API shows filters, and programs know only the api_id.
    """

    segment: str
    op: str


@dataclass(frozen=True, slots=True)
class AudienceCondition:
    """In or not in an audience, by what was sent to it."""

    audience: int
    op: str


@dataclass(frozen=True, slots=True)
class Group:
    """All, any or none of its parts; without parts it matches all profiles."""

    match: str
    parts: tuple[Node, ...] = ()


Leaf = Condition | EventCondition | SegmentCondition | AudienceCondition
Node = Group | Leaf
EVERYBODY = Group("all")
MATCHES = ("all", "any", "none")


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the conditions of a tree, in order."""
    if isinstance(node, Group):
        for part in node.parts:
            yield from leaves(part)
    else:
        yield node
