"""Conditions on a profile or on the properties of an event, as queries."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_

from django.db.models import F, FloatField, Q
from django.db.models.functions import Cast

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import KINDS
from audiencesync.people.models.imports import ImportMember
from audiencesync.people.parsers import numbers, spellings
from audiencesync.people.parsers.days import day
from audiencesync.people.segments import attribute_sql
from audiencesync.people.segments.nodes import (
    BOOLEAN,
    CODES,
    COLUMNS,
    CUSTOM,
    FIELDS,
    PRESENT,
    PURCHASE,
    RELATIVE,
    Condition,
    Scalar,
)

EMAIL_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)  # stands for a whole e-mail address
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,9})?", re.ASCII)


def of_profile(node: Condition, now: datetime) -> Q:
    """Return the query of a condition on a profile."""
    if node.field.startswith(CUSTOM):
        return _in_json_q(node, node.field.removeprefix(CUSTOM), "attributes", now)
    return _column_q(node, now)


def of_property(kind: str, node: Condition, now: datetime) -> Q:
    """Return the query, over events, of a condition on a property."""
    if kind == PURCHASE and node.field in COLUMNS:
        return _of_purchase_q(node)
    return _in_json_q(node, node.field, "properties", now)


def whole_email(value: object) -> bytes | None:
    """Return the hash of a whole address, for profiles stored as hashes; None for a part of one."""
    if stored := EMAIL_HASH.fullmatch(str(value)):
        return bytes.fromhex(stored[1])
    return normalise.normalise("email", str(value), region="").sha256


def _column_q(node: Condition, now: datetime) -> Q:
    """Return the query of a condition on a column of the profile."""
    field, op, value = node.field, node.op, node.value
    if field == "import":
        run_ids = [int(item) for item in _as_tuple(value)]
        member_q = Q(pk__in=ImportMember.objects.filter(run_id__in=run_ids).values("profile_id"))
        return ~member_q if op == "is_not" else member_q
    if op in PRESENT:
        return _has_value_q(field, op)
    if op in ("is_true", "is_false"):
        return Q(**{field: op == "is_true"})
    if op in RELATIVE:
        days_ago = now - timedelta(days=int(str(value)))
        if op == "more_than_days_ago":
            return Q(**{f"{field}__lt": days_ago})
        return Q(**{f"{field}__gt": days_ago, f"{field}__lte": now})
    if op in ("greater", "less"):
        midnight = datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
        return Q(
            **{f"{field}__gte": midnight + timedelta(days=1)}
            if op == "greater"
            else {f"{field}__lt": midnight}
        )
    if op in ("contains", "starts_with"):  # functions of attribute_sql have these names
        part_q = Q(getattr(attribute_sql, op)(F(field), str(value)))
        digest = whole_email(value) if field == "email" else None
        return part_q | Q(email_sha256=digest) if digest else part_q
    same_q = _same_column_q(field, _as_tuple(value))
    return ~same_q if op == "is_not" else same_q


def _has_value_q(field: str, op: str) -> Q:
    if FIELDS[field][1] == BOOLEAN:
        return Q(**{f"{field}__isnull": op == "missing"})
    has_value_q = ~Q(**{field: ""}) | (
        Q(**{f"{field}_sha256__isnull": False}) if field in KINDS else Q()
    )
    return has_value_q if op == "exists" else ~has_value_q


def _same_column_q(field: str, values: tuple[Scalar, ...]) -> Q:
    """Compare a column with values. Case matters for external ids only."""
    texts = [str(value) for value in values]
    if field == "external_id":
        return Q(external_id__in=texts)
    codes = [code for code in map(CODES[field], texts) if code] if field in CODES else []
    return Q(attribute_sql.is_one_of(F(field), [*texts, *codes]))


def _of_purchase_q(node: Condition) -> Q:
    """Compare the price, quantity or currency of a purchase; without a price, no number matches."""
    if node.field == "currency":
        texts = [str(item) for item in _as_tuple(node.value)]
        if node.op in ("contains", "starts_with"):
            return Q(getattr(attribute_sql, node.op)(F("currency"), texts[0]))
        same_q = Q(attribute_sql.is_one_of(F("currency"), texts))
    else:
        amount = Cast(F(node.field), FloatField())
        amounts = [float(item) for item in _as_tuple(node.value)]
        if node.op in ("greater", "less"):
            return Q(attribute_sql.is_beyond(amount, amounts[0], greater=node.op == "greater"))
        same_q = Q(attribute_sql.is_amount(amount, amounts))
    return ~same_q if node.op == "is_not" else same_q


def _in_json_q(node: Condition, name: str, column: str, now: datetime) -> Q:
    """Return the query of a condition on a custom attribute or a property."""
    op, value = node.op, node.value
    if op in ("contains", "starts_with"):
        return _has_part_q(op, name, str(value), column)
    if op in RELATIVE:
        return _relative_q(op, name, int(str(value)), column, now)
    if op in ("greater", "less"):
        amount = value if isinstance(value, int | float) else str(value)
        return Q(attribute_sql.compare(name, amount, greater=op == "greater", column=column))
    if op in ("is_true", "is_false"):
        return Q(attribute_sql.has_kind(name, op.removeprefix("is_"), column))
    if op in PRESENT:
        exists_q = Q(attribute_sql.exists(name, column))
        return exists_q if op == "exists" else ~exists_q
    same_q = _same_q(name, _as_tuple(value), column)
    return ~same_q if op == "is_not" else same_q


def _has_part_q(op: str, name: str, value: str, column: str) -> Q:
    """Search a text for a part of it; "contains" also searches a list for a whole element."""
    attribute = attribute_sql.AttributeText(name, column)
    parts = sorted({value, day(value) or value})  # a typed 23.11.2026 also finds 2026-11-23
    queries = [Q(getattr(attribute_sql, op)(attribute, part)) for part in parts]
    if op == "contains":
        queries.append(Q(attribute_sql.list_has(name, value, column)))
    return reduce(or_, queries)


def _relative_q(op: str, name: str, n: int, column: str, now: datetime) -> Q:
    """Compare a day with today (UTC)."""
    today = now.astimezone(UTC).date()
    that_day = (today - timedelta(days=n)).isoformat()
    if op == "more_than_days_ago":
        return Q(attribute_sql.compare(name, that_day, greater=False, column=column))
    if op == "less_than_days_ago":
        first, last = (today - timedelta(days=n - 1)).isoformat(), today.isoformat()
    else:
        first, last = today.isoformat(), (today + timedelta(days=n)).isoformat()
    return Q(attribute_sql.between_days(name, first, last, column))


def _same_q(name: str, values: tuple[Scalar, ...], column: str) -> Q:
    """Compare an attribute with values; a text that reads as a number or a day also matches it."""
    texts = [value for value in values if isinstance(value, str)]
    amounts = [value for value in values if isinstance(value, int | float)]
    amounts += [amount for amount in map(_number, texts) if amount is not None]
    days = [iso_day for iso_day in map(day, texts) if iso_day]
    if name == "gender":
        texts += [code for code in map(spellings.gender, texts) if code]
    query = Q(attribute_sql.is_text(name, texts, column)) if texts else Q()
    query = query | Q(attribute_sql.is_day(name, days, column)) if days else query
    return query | Q(attribute_sql.is_number(name, amounts, column)) if amounts else query


def _as_tuple(value: Scalar | tuple[Scalar, ...] | None) -> tuple[Scalar, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else (value,)


def _number(text: str) -> int | float | None:
    """Return the number that a text means in any language; None if there is none."""
    if _NUMBER.fullmatch(text):
        value: int | float = json.loads(text)
        return value
    return numbers.unambiguous(text)
