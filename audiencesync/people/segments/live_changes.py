"""Compare who is in a segment now with who was, and write the difference with its signals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import (
    Case,
    CharField,
    F,
    Func,
    Q,
    QuerySet,
    TextField,
    Value,
    When,
)
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import MD5, Coalesce, Concat
from django.db.models.sql.compiler import SQLCompiler

from audiencesync.core.database.subquery import sql_of
from audiencesync.people import eligibility
from audiencesync.people.models import Profile
from audiencesync.people.models.live import SegmentMember, Signal, Subscription
from audiencesync.people.segments import filters

_MEMBERS, _SIGNAL = SegmentMember._meta.db_table, Signal._meta.db_table
# ruff: noqa: S608  # every statement is made of our own names of tables and columns
# ``now_in``: profiles that match now; ``was_in``: those that are members. ``join``: see _join_type.
_DIFFERENCE = f"""
SELECT COALESCE(now_in.id, was_in.profile_id), was_in.profile_id IS NOT NULL, now_in.fingerprint
FROM ({{people}}) now_in {{join}} JOIN (
  SELECT profile_id, fingerprint FROM {_MEMBERS} WHERE subscription_id = %s AND {{within}}
) was_in ON was_in.profile_id = now_in.id
WHERE now_in.id IS NULL OR was_in.profile_id IS NULL {{or_refreshed}}
ORDER BY 1
"""
# How many profiles would leave, how many would join, and how many are members.
_COUNTS = f"""
SELECT COUNT(*) - COUNT(now_in.id), COUNT(*) - COUNT(was_in.profile_id), COUNT(was_in.profile_id)
FROM ({{people}}) now_in {{join}} JOIN (
  SELECT profile_id FROM {_MEMBERS} WHERE subscription_id = %s
) was_in ON was_in.profile_id = now_in.id
"""
_INSERT_MEMBERS = f"""
INSERT INTO {_MEMBERS} (subscription_id, profile_id, fingerprint, since)
SELECT %s, found.id, found.fingerprint, %s FROM ({{people}}) found WHERE true
ON CONFLICT DO NOTHING
"""


class Move(NamedTuple):
    """A profile that joins or leaves, or a member whose identifiers changed.

    ``fingerprint``: of the identifiers that may be sent; None for a profile that leaves.
    """

    profile_id: int
    was_member: bool
    fingerprint: str | None

    @property
    def signals(self) -> list[Signal.Kind]:
        """Return the signals to write; a member with changed identifiers leaves and joins again."""
        left_signals = [Signal.Kind.LEFT] if self.was_member else []
        return left_signals if self.fingerprint is None else [*left_signals, Signal.Kind.JOINED]


class Within(NamedTuple):
    """A part of the profiles: those of a list, or those after ``low`` up to ``high``."""

    ids: Sequence[int] | None = None
    low: int = 0
    high: int = 0

    @property
    def q(self) -> Q:
        """Return the condition on profiles."""
        if self.ids is None:
            return Q(pk__gt=self.low, pk__lte=self.high)
        return Q(pk__in=ids_sql(self.ids))

    @property
    def sql(self) -> tuple[str, list[Any]]:
        """Return the condition on members, with its parameters."""
        if self.ids is None:
            return "profile_id > %s AND profile_id <= %s", [self.low, self.high]
        source, param = _id_list(self.ids)
        return f"profile_id IN ({source})", [param]


def ids_sql(ids: Sequence[int]) -> RawSQL:
    """Return ids as a list of any length for a condition."""
    source, param = _id_list(ids)
    return RawSQL(source, [param])  # noqa: S611  # a constant text


def _id_list(ids: Sequence[int]) -> tuple[str, Any]:
    """Return SQL that selects the ids, and its only parameter."""
    if connection.vendor == "postgresql":
        return "SELECT unnest(%s::bigint[])", list(ids)
    return "SELECT value FROM json_each(%s)", json.dumps(list(ids))


class _Hex(Func):
    """A binary column as hexadecimal digits."""

    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any) -> Any:
        return super().as_sql(compiler, connection, template="HEX(%(expressions)s)")

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **_: Any
    ) -> Any:
        return super().as_sql(compiler, connection, template="ENCODE(%(expressions)s, 'hex')")


def fingerprint(kinds: Sequence[str], *, is_strict: bool) -> Combinable:
    """Return an expression: a hash of the identifiers that may be sent; "" if none may."""
    empty = Value("", output_field=TextField())
    parts = [empty, *(_identifier(kind) for kind in kinds)]
    identifiers = Concat(empty, *parts) if kinds else empty
    return Case(
        When(eligibility.no_consent(is_strict=is_strict).q, then=empty),
        When(eligibility.has_none_q(kinds), then=empty),
        When(eligibility.only_untracked_q(kinds), then=empty),
        default=MD5(identifiers),
        output_field=CharField(),
    )


def _identifier(kind: str) -> Combinable:
    """Return the name and hash of one identifier, or "" if it may not be sent."""
    empty = Value("", output_field=TextField())
    text = Concat(
        Value(f"{kind} ", output_field=TextField()),
        Coalesce(_Hex(F(f"{kind}_sha256")), empty),
    )
    if kind not in eligibility.DEVICE_KINDS:
        return text
    return Case(When(eligibility.NOT_TRACKED.q, then=empty), default=text, output_field=TextField())


def _people(subscription: Subscription, within: Within, now: datetime) -> QuerySet[Profile, Any]:
    """Return id and fingerprint of the profiles that match. Raise FilterError."""
    assert subscription.segment is not None
    matching = filters.members(subscription.segment, now=now).filter(within.q).order_by()
    if not subscription.kinds:
        return matching.annotate(fingerprint=Value("")).values("id", "fingerprint")
    is_strict = subscription.app_group.consent_required
    with_fingerprints = matching.annotate(
        fingerprint=fingerprint(subscription.kinds, is_strict=is_strict)
    )
    return with_fingerprints.values("id", "fingerprint")


def fill(subscription: Subscription, within: Within, *, now: datetime) -> int:
    """Insert the profiles that match as members, without signals; return how many."""
    return _fill(subscription, _people(subscription, within, now), now=now)


def add(subscription: Subscription, people: QuerySet[Profile], *, now: datetime) -> int:
    """Insert profiles as members, whether they match or not, without signals; return how many."""
    members = people.order_by().annotate(fingerprint=Value("")).values("id", "fingerprint")
    return _fill(subscription, members, now=now)


def _fill(subscription: Subscription, people: QuerySet[Profile, Any], *, now: datetime) -> int:
    sql, params = sql_of(people)
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_MEMBERS.format(people=sql), [subscription.pk, at, *params])
        return int(cursor.rowcount)


def _join_type(subscription: Subscription) -> str:
    """Return the type of the SQL join of matching profiles with members.

    RIGHT: only members are compared, as joining is not signalled.
    """
    return "RIGHT" if subscription.is_leave_only else "FULL"


def moves(subscription: Subscription, within: Within, *, now: datetime) -> list[Move]:
    """Return who joins, leaves or has other identifiers, by profile id. Raise FilterError."""
    sql, params = sql_of(_people(subscription, within, now))
    within_sql, within_params = within.sql
    refreshed = "OR now_in.fingerprint <> was_in.fingerprint" if subscription.kinds else ""
    statement = _DIFFERENCE.format(
        people=sql, join=_join_type(subscription), within=within_sql, or_refreshed=refreshed
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, subscription.pk, *within_params])
        return [
            Move(pk, bool(was_member), new_fingerprint)
            for pk, was_member, new_fingerprint in cursor.fetchall()
        ]


def counts(subscription: Subscription, query: Q) -> tuple[int, int, int]:
    """Return how many would leave and join by this query, and how many are members now."""
    matching = Profile.objects.filter(query, app_group=subscription.app_group_id)
    sql, params = sql_of(matching.order_by().values("id"))
    with connection.cursor() as cursor:
        statement = _COUNTS.format(people=sql, join=_join_type(subscription))
        cursor.execute(statement, [*params, subscription.pk])
        leave, join, total = cursor.fetchone()
    return leave, join, total


def write(subscription: Subscription, moves: Sequence[Move], *, now: datetime) -> None:
    """Write members and signals of the same moves; the caller holds the subscription's lock."""
    left_ids = [move.profile_id for move in moves if move.fingerprint is None]
    if left_ids:
        members = SegmentMember.objects.filter(subscription=subscription)
        members.filter(profile_id__in=ids_sql(left_ids)).delete()
    at = connection.ops.adapt_datetimefield_value(now)
    member_rows = [
        (move.profile_id, move.fingerprint) for move in moves if move.fingerprint is not None
    ]
    _insert(
        f"INSERT INTO {_MEMBERS} (subscription_id, since, profile_id, fingerprint)",
        [subscription.pk, at],
        member_rows,
        "ON CONFLICT (subscription_id, profile_id)"
        " DO UPDATE SET fingerprint = excluded.fingerprint",
    )
    signal_rows = [(move.profile_id, str(kind)) for move in moves for kind in move.signals]
    _insert(
        f"INSERT INTO {_SIGNAL} (listener, subscription_id, at, profile_id, kind)",
        [subscription.listener, subscription.pk, at],
        signal_rows,
    )


def _insert(
    into: str, constants: list[Any], rows: Sequence[tuple[int, str | None]], end: str = ""
) -> None:
    """Insert (profile id, text) rows in their order, each with the same ``constants`` before."""
    if not rows:
        return
    placeholders = ", ".join(["%s"] * len(constants))
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            given_rows = (
                "unnest(%s::bigint[], %s::text[]) WITH ORDINALITY AS given (pk, word, place)"
            )
            statement = (
                f"{into} SELECT {placeholders}, pk, word FROM {given_rows} ORDER BY place {end}"
            )
            pks, texts = zip(*rows, strict=True)
            cursor.execute(statement, [*constants, list(pks), list(texts)])
            return
        cursor.executemany(
            f"{into} VALUES ({placeholders}, %s, %s) {end}", [[*constants, *row] for row in rows]
        )
