"""Keyset pagination: read the rows of a table in bounded chunks, or page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Generic, TypeVar

from django.db.models import BigIntegerField, BooleanField, F, Func, Model, QuerySet, Value

DEFAULT_SIZE = 10_000  # rows of a chunk
M = TypeVar("M", bound=Model)
Row = TypeVar("Row")


def read(
    rows: QuerySet[Any, Row],
    size: int | None = None,
    *,
    after: int = 0,
    key: Callable[[Row], int] = attrgetter("pk"),
) -> Iterator[list[Row]]:
    """Yield ``rows`` in ascending order of their primary keys, at most ``size`` at a time.

    Each chunk is read when it is asked for, so rows may change or go between two chunks.
    ``key``: returns the primary key of a row that is not a model instance.
    """
    in_order = rows.order_by("pk")
    while chunk := list(in_order.filter(pk__gt=after)[: size or DEFAULT_SIZE]):
        yield chunk
        after = key(chunk[-1])


def ids(
    rows: QuerySet[Any, Any], size: int | None = None, *, after: int = 0
) -> Iterator[list[int]]:
    """Yield the primary keys of ``rows``, as `read` does."""
    return read(rows.values_list("pk", flat=True), size, after=after, key=int)


def walk(rows: QuerySet[M], size: int | None = None) -> Iterator[QuerySet[M]]:
    """Yield ``rows`` as querysets of at most ``size`` rows, in ascending order of their keys.

    A queryset keeps the filters of ``rows``: a row that no longer matches is not in it.
    """
    for chunk_ids in ids(rows, size):
        yield rows.filter(pk__in=chunk_ids)


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Rows of one page, and whether there are more on either side of it."""

    rows: list[M]
    has_older: bool
    has_newer: bool


def page(
    rows: QuerySet[M],
    size: int,
    *,
    keys: Sequence[str] = ("pk",),
    older_than: Sequence[int] | None = None,
    newer_than: Sequence[int] | None = None,
) -> Page[M]:
    """Return one page in descending order of ``keys``, which are unique together.

    ``older_than`` and ``newer_than`` are the keys of the row at the end of the page before.
    """
    # One row more than a page shows whether there are further ones.
    if newer_than is not None:
        ascending = list(
            rows.filter(compare_keys(keys, ">", newer_than)).order_by(*keys)[: size + 1]
        )
        return Page(ascending[:size][::-1], has_older=True, has_newer=len(ascending) > size)
    if older_than is not None:
        rows = rows.filter(compare_keys(keys, "<", older_than))
    descending = list(rows.order_by(*(f"-{key}" for key in keys))[: size + 1])
    return Page(
        descending[:size], has_older=len(descending) > size, has_newer=older_than is not None
    )


def compare_keys(keys: Sequence[str], operator: str, values: Sequence[int]) -> Func:
    """Return the condition ``(a, b) < (1, 2)``: one range of an index over the keys answers it."""
    row = _row([F(key) for key in keys])
    other = _row([Value(value, BigIntegerField()) for value in values])
    return Func(
        row,
        other,
        template="%(expressions)s",
        arg_joiner=f" {operator} ",
        output_field=BooleanField(),
    )


def _row(parts: Sequence[F | Value]) -> Func:
    return Func(*parts, template="(%(expressions)s)", output_field=BigIntegerField())
