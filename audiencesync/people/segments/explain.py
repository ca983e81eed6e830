"""Explain why one person fits a filter or not: say of each group and condition whether it is met.

The database decides about each part by the query that segments and splits use, so that an empty
value, a number as text or the case of a letter has the same effect as there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import BooleanField, Case, OuterRef, Q, Subquery, Value, When
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from audiencesync.people import masking
from audiencesync.people.models import KINDS, Event, Profile
from audiencesync.people.segments import events_sql, filters, words
from audiencesync.people.segments.nodes import (
    BOOLEAN,
    CUSTOM,
    Condition,
    EventCondition,
    Group,
    Leaf,
    Node,
    SegmentCondition,
)

MOST_PARTS = 100  # conditions and groups in one query
Key = tuple[Node, datetime | None]  # a part, and the time if its answer depends on it


@dataclass(frozen=True, slots=True)
class Part:
    """A condition, or a group of them with its ``match``: all, any or none.

    ``value``: what the person has; empty where there is nothing to show. ``parts``: of a group, or
    of the segment that a condition names.
    """

    is_met: bool
    words: str = ""
    value: str = ""
    match: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def short(self) -> Part:
        """Return this part, or for a group of one part that part."""
        is_one = self.match in ("all", "any") and len(self.parts) == 1
        return self.parts[0].short if is_one else self


class Explained:
    """Finds which parts of filters one person meets, with few queries for many filters."""

    def __init__(self, profile: Profile, raws: Iterable[object], *, masked: bool) -> None:
        self.profile, self.masked = profile, masked
        self.segments = filters.load_segments(raws)
        self.answers: dict[Key, bool] = {}
        self.last: dict[Key, datetime | None] = {}  # when an event of a condition happened last

    def read(self, raws: Iterable[object], *, now: datetime) -> None:
        """Query the answers for these filters in advance; invalid filters are left out."""
        unanswered: dict[Key, Q] = {}
        for raw in raws:
            with suppress(filters.FilterError):
                unanswered |= self._unanswered(filters.read(raw), now)
        queries = list(unanswered.items())
        for start in range(0, len(queries), MOST_PARTS):
            self._ask(dict(queries[start : start + MOST_PARTS]), now)

    def knows(self, raw: object, *, now: datetime) -> bool:
        """Return whether all answers for a filter were queried. Raise FilterError."""
        return not self._unanswered(filters.read(raw), now)

    def of(self, raw: object, *, now: datetime) -> Part:
        """Return the filter as a Part, each part met or not. Raise FilterError."""
        if not self.knows(raw, now=now):
            self.read([raw], now=now)
        return self._part(filters.read(raw), now)

    def _unanswered(self, node: Node, now: datetime) -> dict[Key, Q]:
        parts = {self._key(part, now): part for part in self._nodes(node)}
        return {
            key: filters.of_node(part, now=now, segments=self.segments)
            for key, part in parts.items()
            if key not in self.answers
        }

    def _ask(self, queries: dict[Key, Q], now: datetime) -> None:
        """Store the answers to these queries, read by one statement."""
        columns: dict[str, Case | Subquery] = {}
        for n, (key, query) in enumerate(queries.items()):
            if query:
                condition = When(query, then=Value(True))
                columns[f"part_{n}"] = Case(
                    condition, default=Value(False), output_field=BooleanField()
                )
            if isinstance(key[0], EventCondition):
                columns[f"last_{n}"] = _last(key[0], now)
        profiles = Profile.objects.filter(pk=self.profile.pk)
        row = profiles.values(**columns).first() if columns else {}
        for n, key in enumerate(queries):
            # A part with an empty query has no column and fits everybody. There is no row if the
            # profile was erased meanwhile.
            self.answers[key] = row is not None and bool(row.get(f"part_{n}", True))
            last = row.get(f"last_{n}") if row else None
            self.last[key] = last if isinstance(last, datetime) else None

    def _nodes(self, node: Node, depth: int = 0) -> Iterator[Node]:
        """Yield a node, and each one below it and in the segments that it refers to."""
        yield node
        for part in self._below(node, depth):
            yield from self._nodes(part, depth + isinstance(node, SegmentCondition))

    def _below(self, node: Node, depth: int = 0) -> tuple[Node, ...]:
        if isinstance(node, Group):
            return node.parts
        if not isinstance(node, SegmentCondition) or depth >= filters.MAX_CHAIN:
            return ()
        segment = self.segments.get(node.segment)
        return (segment.tree,) if segment is not None and segment.tree is not None else ()

    def _key(self, node: Node, now: datetime) -> Key:
        """Return the key of an answer; most conditions do not depend on the time."""
        is_timed = any(
            filters.is_timed_leaf(leaf) for leaf in self._nodes(node) if isinstance(leaf, Leaf)
        )
        return node, now if is_timed else None

    def _part(self, node: Node, now: datetime, depth: int = 0) -> Part:
        parts = tuple(
            self._part(part, now, depth + isinstance(node, SegmentCondition))
            for part in self._below(node, depth)
        )
        key = self._key(node, now)
        if isinstance(node, Group):
            return Part(self.answers[key], match=node.match, parts=parts)
        text = words.of_node(node, masked=self.masked, segments=self.segments)
        value = (
            self._time(self.last[key])
            if isinstance(node, EventCondition)
            else _value(self.profile, node, masked=self.masked)
        )
        return Part(self.answers[key], text, value, parts=parts)

    def _time(self, at: datetime | None) -> str:
        if at is None:
            return _("never")
        zone = ZoneInfo(self.profile.app_group.time_zone)
        local = date_format(localtime(at, zone), "SHORT_DATETIME_FORMAT")
        return _("last on %(time)s") % {"time": local}


def _last(node: EventCondition, now: datetime) -> Subquery:
    """Return when a person last did what a condition counts, up to now."""
    events = Event.objects.filter(events_sql.of_event(node, now), profile=OuterRef("pk"))
    return Subquery(events.filter(at__lte=now).order_by("-at").values("at")[:1])


def _value(profile: Profile, leaf: Leaf, *, masked: bool) -> str:
    """Return what a person has in the field of a condition; empty if it has no field."""
    if not isinstance(leaf, Condition) or leaf.field == "import":
        return ""
    if leaf.field.startswith(CUSTOM):
        attributes: Any = profile.attributes
        name = leaf.field.removeprefix(CUSTOM)
        has_value = isinstance(attributes, dict) and name in attributes
        return masking.attribute(attributes[name], masked=masked) if has_value else _("none known")
    if leaf.field == "external_id":
        return masking.external_id(profile, masked=masked)
    return _column(profile, leaf.field, masked=masked) or _("none known")


def _column(profile: Profile, field: str, *, masked: bool) -> str:
    value = getattr(profile, field)
    if field in KINDS:
        return masking.identifier_text(profile, field, masked=masked)
    if field == "created_at":
        zone = ZoneInfo(profile.app_group.time_zone)
        return date_format(localtime(value, zone), "SHORT_DATE_FORMAT")
    if filters.FIELDS[field][1] == BOOLEAN:
        return "" if value is None else _("yes") if value else _("no")
    return str(value)
