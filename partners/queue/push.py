"""Builds the body of a request from stored hashes and sends it. Knows no outcome: settle.py judges the answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audiencesync.people.models import PastIdentifier, Profile
from partners import base, registry
from partners.base import Cells, Partner, Receipt
from partners.errors import PartnerError
from partners.models import Action, Batch, Delivery
from partners.queue.collect import Request
from partners.queue.enqueue import DEVICE_KINDS, refused_sql
from partners.queue.last_wish import NO_END

Row = tuple[bytes | None, ...]

_ROWS = """
SELECT {cells} FROM {delivery} d LEFT JOIN {profile} q ON q.id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL {only} ORDER BY d.id
"""
_PAST = """
SELECT z.kind, z.sha256, d.id FROM {delivery} d JOIN {past} z ON z.profile_id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL {only} ORDER BY z.id
"""
_PIECE = "AND d.id > %s AND d.id <= %s"
_STILL_WANTED = """
AND NOT EXISTS (SELECT 1 FROM {delivery} e JOIN {batch} b ON b.id = e.batch_id
WHERE e.profile_id = d.profile_id AND e.outcome IS NULL AND b.audience_id = %s AND b.action = %s AND b.seq > %s
AND b.state IN ('pending', 'synced'))
"""
_NOT_WANTED_OTHERWISE = """
AND NOT EXISTS (SELECT 1 FROM {delivery} e JOIN {batch} b ON b.id = e.batch_id
WHERE e.profile_id = d.profile_id AND e.outcome IS NULL AND b.audience_id = %s AND b.action = 'add' AND b.id <> d.batch_id
AND NOT b.cancel_requested AND b.state IN ('pending', 'synced') AND NOT EXISTS (
    SELECT 1 FROM {delivery} f JOIN {batch} c ON c.id = f.batch_id
    WHERE f.profile_id = d.profile_id AND f.outcome IS NULL AND c.audience_id = b.audience_id AND c.action = 'remove'
    AND c.seq > b.seq AND c.state IN ('pending', 'synced')))
"""


@dataclass(frozen=True, slots=True)
class Span:
    """Where the rows of a batch begin in the body, and whose they are (None: all its members, in the order of ids)."""

    batch: Batch
    start: int
    n: int
    ids: list[int] | None


@dataclass(slots=True)
class Parcel:
    """A request with its body, ready for a thread that knows no database."""

    request: Request
    partner: Partner
    token: str
    body: bytes
    people: int
    ids: int
    post_by: (
        float  # time.monotonic() after which it must not be sent: its time or its lease is over
    )
    spans: list[Span]

    def __repr__(self) -> str:
        return f"Parcel({len(self.request.batches)} batches, {self.people} people)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back of one parcel; ``error`` is None when the partner took it."""

    parcel: Parcel
    error: PartnerError | None
    request_id: str
    sent_at: datetime
    sent_us: int
    ms: int
    was_sent: bool = True


class Incomplete(Exception):
    """A batch holds people who can no longer be sent, or more rows than fit: it must be tidied first."""

    def __init__(self, batch: Batch, n_rows: int) -> None:
        self.batch = batch
        self.n_rows = n_rows
        super().__init__(f"batch {batch.pk} must be tidied")


class Crowded(Exception):
    """Batches that fit by their people carry more rows together than a request may, for there are past hashes among them."""


def rows_of(batch: Batch) -> list[Row]:
    """One row per person of the batch without an outcome of their own, in a fixed order: 32-byte hashes or None."""
    return _read(_ROWS, batch, cells=", ".join(_cell(kind, batch) for kind in batch.kinds))


def _read(sql: str, batch: Batch, **parts: str) -> list[Any]:
    """What a statement finds about the people of a batch; of a repeat, about those who are left of its piece."""
    models = {"delivery": Delivery, "profile": Profile, "batch": Batch, "past": PastIdentifier}
    tables = {name: model._meta.db_table for name, model in models.items()}
    only = ""
    params: list[int | str] = [batch.repeat_of_id or batch.pk]
    if batch.repeat_of_id:
        wanted, more = _who_is_left(batch)
        only, params = _PIECE + wanted.format(**tables), [*params, *_piece(batch), *more]
    with connection.cursor() as cursor:
        cursor.execute(sql.format(only=only, **parts, **tables), params)
        rows: list[Any] = cursor.fetchall()
    return rows


def _piece(batch: Batch) -> tuple[int, int]:
    """The deliveries that a repeat is about: after the first id, up to the second."""
    return batch.repeat_after, NO_END if batch.repeat_until is None else batch.repeat_until


def _who_is_left(batch: Batch) -> tuple[str, list[int | str]]:
    """A condition for who must not be overtaken by a repeat: asked the opposite since, or wanted by another wish."""
    if batch.is_undo:
        return _NOT_WANTED_OTHERWISE, [batch.audience_id]
    return _STILL_WANTED, [batch.audience_id, Action(batch.action).opposite.value, batch.seq]


def past_rows(batch: Batch) -> list[tuple[int, Row]]:
    """For a removal: delivery and one more row for each hash that these people were known by before."""
    if batch.action != Action.REMOVE:
        return []
    return [
        (pk, tuple(bytes(sha256) if kind == column else None for column in batch.kinds))
        for kind, sha256, pk in _read(_PAST, batch)
        if kind in batch.kinds
    ]


def _nameless(batch: Batch) -> "QuerySet[Delivery]":
    """Members without any current identifier of the batch's kinds: erased, or known by past ones only."""
    none = {f"profile__{kind}_sha256__isnull": True for kind in batch.kinds}
    return Delivery.objects.filter(batch=batch, outcome=None, **none)


def _has_bare(batch: Batch) -> bool:
    """Whether somebody of the batch has nothing to send at all."""
    if batch.action != Action.REMOVE:
        return True
    past = PastIdentifier.objects.filter(profile=OuterRef("profile"), kind__in=batch.kinds)
    return _nameless(batch).exclude(Exists(past)).exists()


def _cell(kind: str, batch: Batch) -> str:
    """SQL for one column. An add withholds device ids without tracking, and all without consent or of who is erased."""
    column = f"q.{kind}_sha256"
    if batch.action == Action.REMOVE:
        return column
    barred = [
        refused_sql(is_strict=batch.sync.app_group.consent_required),
        "q.erased_at IS NOT NULL",
    ] + ["q.ad_tracking_enabled IS FALSE"] * (kind in DEVICE_KINDS)
    return f"CASE WHEN {' OR '.join(barred)} THEN NULL ELSE {column} END"


@sensitive_variables()
def pack(request: Request, *, post_by: float, most_rows: int) -> Parcel:
    """Read the hashes and write the body. Raises Incomplete or Crowded before anything is sent, and crypto.CannotOpen."""
    cells: list[Cells] = []
    spans: list[Span] = []
    n_rows = n_ids = 0
    for batch in request.batches:
        rows, ids = _rows_to_send(batch, most_rows=most_rows)
        spans.append(Span(batch, n_rows, len(rows), ids))
        n_rows += len(rows)
        if n_rows > most_rows and len(request.batches) > 1:
            raise Crowded
        n_ids += sum(len(row) - row.count(None) for row in rows)
        cells.append(Cells((batch.audience.remote_id,), rows))
    partner = registry.get(request.connection.partner)
    action = base.Action(request.action)
    body = partner.build_body(request.ad_account.remote_id, action, request.kinds, cells)
    return Parcel(request, partner, request.connection.token, body, n_rows, n_ids, post_by, spans)


@sensitive_variables()
def _rows_to_send(batch: Batch, *, most_rows: int) -> tuple[list[Row], list[int] | None]:
    """The rows of a batch, past hashes last, and whose they are. Raises Incomplete."""
    rows = rows_of(batch)
    past = past_rows(batch)
    empty = (None,) * len(batch.kinds)
    people, ids = len(rows), None
    if batch.repeat_of_id is None and (people != batch.n or (empty in rows and _has_bare(batch))):
        raise Incomplete(batch, people)
    if past and batch.repeat_of_id is None:
        ids = [pk for pk, row in zip(_members(batch), rows, strict=True) if row != empty] + [
            pk for pk, _ in past
        ]
    if past or batch.repeat_of_id:
        rows = [row for row in rows if row != empty] + [row for _, row in past]
    if not rows or (len(rows) > most_rows and people > 1):  # one person cannot be cut
        raise Incomplete(batch, len(rows))
    return rows, ids


def _members(batch: Batch) -> list[int]:
    return list(
        Delivery.objects.filter(batch=batch, outcome=None)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


@sensitive_variables()
def send(parcel: Parcel, *, at: float) -> Answer:
    """Wait for the booked time (monotonic), then make the call, if it is not too late. Runs in a thread and touches no
    database; never raises."""
    time.sleep(max(0.0, at - time.monotonic()))
    sent_at, sent_us, started = timezone.now(), time.time_ns() // 1000, time.monotonic()
    if started > parcel.post_by:
        return Answer(parcel, None, "", sent_at, sent_us, 0, was_sent=False)
    error: PartnerError | None = None
    request_id = ""
    try:
        receipt: Receipt = parcel.partner.push(parcel.token, parcel.body)
        request_id = receipt.request_id
    except PartnerError as failure:
        error, request_id = failure, failure.request_id
    ms = round((time.monotonic() - started) * 1000)
    return Answer(parcel, error, request_id, sent_at, sent_us, ms)


def named_rows(parcel: Parcel, indexes: Sequence[int]) -> dict[int, list[int]]:
    """Positions in the body -> delivery ids by batch, for the rows a partner named. Repeats name nobody.

    Where the body put whom was noted when it was built: what has changed since moves nobody.
    """
    named: dict[int, list[int]] = {}
    wanted = set(indexes)
    for span in parcel.spans:
        ids = _members(span.batch) if span.ids is None else span.ids
        last = span.start + min(span.n, len(ids))
        named[span.batch.pk] = [ids[i - span.start] for i in wanted if span.start <= i < last]
    return named
