"""Build the body of a request from stored hashes, and send it. settle.py applies the answer.

A parcel is a request that is ready to send. A row of the body holds the identifiers of one person
(its cells), or one past hash of a person who is removed.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audiencesync.people import eligibility
from audiencesync.people.models import PastIdentifier, Profile
from partners import registry
from partners.base import MAX_CODE, Call, Cells, Partner, Receipt
from partners.errors import PartnerError
from partners.models import Action, AdAccount, Batch, Delivery, Push, Sync
from partners.queue.collect import Request
from partners.queue.removals import shared
from partners.queue.supersede import MAX_BIGINT

Row = tuple[bytes | None, ...]
TABLES = {
    "delivery": Delivery._meta.db_table,
    "profile": Profile._meta.db_table,
    "batch": Batch._meta.db_table,
    "past": PastIdentifier._meta.db_table,
    "sync": Sync._meta.db_table,
}
NO_ANSWER = "no_answer"  # stored as the code of a request without a clear answer

_ROWS = """
SELECT {cells} FROM {delivery} d LEFT JOIN {profile} q ON q.id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL {only} ORDER BY d.id
"""
_PAST = """
SELECT z.kind, z.sha256, d.id FROM {delivery} d JOIN {past} z ON z.profile_id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL {only} {unshared} ORDER BY z.id
"""
_ROW_OF_ONE = "SELECT {cells} FROM {profile} q WHERE q.id = %s"
_PAST_OF_ONE = "SELECT z.kind, z.sha256 FROM {past} z WHERE z.profile_id = %s ORDER BY z.id"
# Conditions on the deliveries of another batch that a repeat sends again:
# Their ids are in the range of the repeat (Batch.repeat_after, repeat_until).
_RANGE = "AND d.id > %s AND d.id <= %s"
# No later, opposite operation on the same person follows.
_NOT_SUPERSEDED = """
AND NOT EXISTS (SELECT 1 FROM {delivery} e JOIN {batch} b ON b.id = e.batch_id
WHERE e.profile_id = d.profile_id AND e.outcome IS NULL
AND b.audience_id = %s AND b.action = %s AND b.seq > %s AND b.state IN ('pending', 'synced'))
"""
# Only for a repeat that takes back adds. No other add (e) of the person counts: one that was not
# discarded, that no removal (r) of its undoing Sync (u) reverts and no later removal (f) follows.
_NOT_ADDED_OTHERWISE = """
AND NOT EXISTS (SELECT 1 FROM {delivery} e JOIN {batch} b ON b.id = e.batch_id
WHERE e.profile_id = d.profile_id AND e.outcome IS NULL
AND b.audience_id = %s AND b.action = 'add' AND b.id <> d.batch_id
AND NOT b.cancel_requested AND b.state IN ('pending', 'synced') AND NOT EXISTS (
    SELECT 1 FROM {sync} u JOIN {delivery} r ON r.sync_id = u.id
    WHERE u.undoes_id = e.sync_id AND r.entry_key = e.id) AND NOT EXISTS (
    SELECT 1 FROM {delivery} f JOIN {batch} c ON c.id = f.batch_id
    WHERE f.profile_id = d.profile_id AND f.outcome IS NULL
    AND c.audience_id = b.audience_id AND c.action = 'remove' AND c.seq > b.seq
    AND c.state IN ('pending', 'synced')))
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The rows of one batch in the body."""

    batch: Batch
    start: int  # index of its first row
    n: int
    ids: list[int] | None  # deliveries by row; None: all of the batch, in the order of their ids


@dataclass(slots=True)
class Parcel:
    """A request with its body, ready to be sent by a thread that does not use the database."""

    request: Request
    partner: Partner
    token: str
    call: Call
    n_rows: int
    n_ids: int
    post_by: float  # time.monotonic() after which it must not be sent: its lease would end
    spans: list[Span]

    def __repr__(self) -> str:
        return f"Parcel({len(self.request.batches)} batches, {self.n_rows} rows)"


@dataclass(frozen=True, slots=True)
class PushAnswer:
    """The answer to one parcel. ``error`` is None if the partner accepted it."""

    parcel: Parcel
    error: PartnerError | None
    request_id: str
    sent_at: datetime
    sent_us: int  # the same in microseconds since 1970, for the budget
    ms: int  # time until the answer
    was_sent: bool = True  # False: it was too late to send it

    @property
    def request(self) -> Request:
        return self.parcel.request

    @property
    def code(self) -> str:
        """Return the code to store: Push.ACCEPTED, that of the partner, or NO_ANSWER."""
        if self.error is None:
            return Push.ACCEPTED
        return self.error.code[:MAX_CODE] if self.error.code is not None else NO_ANSWER


class NeedsRevalidation(Exception):
    """A batch must be revalidated: it has people who cannot be sent any more, or too many rows."""

    def __init__(self, batch: Batch, n_rows: int) -> None:
        self.batch = batch
        self.n_rows = n_rows
        super().__init__(f"batch {batch.pk} must be revalidated")


class TooManyRows(Exception):
    """Because of past hashes, the batches of a request have more rows than it may carry."""


def rows_of(batch: Batch) -> list[Row]:
    """Return one row of 32-byte hashes (or None) per delivery without an outcome, in id order."""
    return _read(_ROWS, batch, cells=", ".join(_cell(kind, batch) for kind in batch.kinds))


def _read(sql: str, batch: Batch, **parts: str) -> list[Any]:
    """Run a statement over the deliveries that a batch, or a repeat, still has to send.

    ``parts`` fill the other gaps of the statement.
    """
    only = ""
    params: list[int | str] = [batch.repeat_of_id or batch.pk]
    if batch.repeat_of_id:
        condition, condition_params = _still_to_repeat(batch)
        only = _RANGE + condition.format(**TABLES)
        params = [*params, *_id_range(batch), *condition_params]
    with connection.cursor() as cursor:
        cursor.execute(sql.format(only=only, **parts, **TABLES), params)
        rows: list[Any] = cursor.fetchall()
    return rows


def _id_range(batch: Batch) -> tuple[int, int]:
    """Return the range of delivery ids of a repeat: after the first, up to the second."""
    return batch.repeat_after, MAX_BIGINT if batch.repeat_until is None else batch.repeat_until


def _still_to_repeat(batch: Batch) -> tuple[str, list[int | str]]:
    """Return the SQL condition for people whom a repeat still has to send, and its parameters."""
    if batch.takes_back:
        return _NOT_ADDED_OTHERWISE, [batch.audience_id]
    return _NOT_SUPERSEDED, [batch.audience_id, Action(batch.action).opposite.value, batch.seq]


def past_rows(batch: Batch) -> list[tuple[int, Row]]:
    """Return (delivery id, row) for each past hash of the people of a removal."""
    if batch.action != Action.REMOVE:
        return []
    unshared = shared.past_sql(batch, TABLES) if shared.leaves_shared(batch) else ""
    return [
        (pk, _past_row(kind, sha256, batch))
        for kind, sha256, pk in _read(_PAST, batch, unshared=unshared)
        if kind in batch.kinds
    ]


def _past_row(kind: str, sha256: bytes, batch: Batch) -> Row:
    return tuple(bytes(sha256) if kind == column else None for column in batch.kinds)


def rows_of_one(sync: Sync, profile: int) -> list[Row]:
    """Return the rows that a batch with this person alone would send; stores nothing.

    The caller knows that the person may be sent.
    """
    batch = Batch(sync=sync, audience=sync.audience, action=sync.action, kinds=sync.kinds)
    cells = ", ".join(_cell(kind, batch) for kind in batch.kinds)
    with connection.cursor() as cursor:
        cursor.execute(_ROW_OF_ONE.format(cells=cells, **TABLES), [profile])
        rows: list[Row] = cursor.fetchall()
        if batch.action != Action.REMOVE:
            return rows
        cursor.execute(_PAST_OF_ONE.format(**TABLES), [profile])
        past = [_past_row(kind, sha, batch) for kind, sha in cursor if kind in batch.kinds]
    return _with_identifier(rows, batch) + past


def _with_identifier(rows: list[Row], batch: Batch) -> list[Row]:
    """Return the rows that have an identifier."""
    empty = (None,) * len(batch.kinds)
    return [row for row in rows if row != empty]


def _without_identifier(batch: Batch) -> "QuerySet[Delivery]":
    """Return the deliveries of a batch whose profile is gone or has no current identifier."""
    has_none = {f"profile__{kind}_sha256__isnull": True for kind in batch.kinds}
    return Delivery.objects.filter(batch=batch, outcome=None, **has_none)


def _has_unsendable(batch: Batch) -> bool:
    """Return whether some person of a batch with empty rows has no past hash to send either."""
    if batch.action != Action.REMOVE:
        return True  # adds send no past hashes
    past = PastIdentifier.objects.filter(profile=OuterRef("profile"), kind__in=batch.kinds)
    return _without_identifier(batch).exclude(Exists(past)).exists()


def _cell(kind: str, batch: Batch) -> str:
    """Return the SQL of one identifier, NULL where it may not be sent."""
    column = f"q.{kind}_sha256"
    if batch.action == Action.REMOVE:
        if not shared.leaves_shared(batch):
            return column
        is_shared = shared.shared_sql(column, kind, batch, TABLES)
        return f"CASE WHEN {is_shared} THEN NULL ELSE {column} END"
    is_strict = batch.sync.app_group.consent_required
    barred = eligibility.barred_sql(kind, is_strict=is_strict)
    return f"CASE WHEN {barred} THEN NULL ELSE {column} END"


@sensitive_variables()
def pack(request: Request, *, post_by: float, most_rows: int) -> Parcel:
    """Read the hashes and build the parcel.

    Raise NeedsRevalidation, TooManyRows or crypto.CannotOpen.
    """
    cells: list[Cells] = []
    spans: list[Span] = []
    n_rows = n_ids = 0
    for batch in request.batches:
        rows, ids = _rows_to_send(batch, most_rows=most_rows)
        spans.append(Span(batch, n_rows, len(rows), ids))
        n_rows += len(rows)
        if n_rows > most_rows and len(request.batches) > 1:
            raise TooManyRows
        n_ids += sum(len(row) - row.count(None) for row in rows)
        cells.append(Cells((batch.audience.remote_id,), rows))
    partner = registry.get(request.connection.partner)
    call = call_for(request.ad_account, request.action, request.kinds, cells)
    return Parcel(request, partner, request.connection.token, call, n_rows, n_ids, post_by, spans)


def call_for(
    ad_account: AdAccount, action: str, kinds: Sequence[str], cells: Sequence[Cells]
) -> Call:
    """Return the HTTP request that carries these rows; no I/O."""
    partner = registry.get(ad_account.connection.partner)
    return partner.build_call(ad_account.remote_id, Action(action), kinds, cells)


@sensitive_variables()
def _rows_to_send(batch: Batch, *, most_rows: int) -> tuple[list[Row], list[int] | None]:
    """Return the rows of a batch, past hashes last, and the delivery of each (see Span.ids).

    Raise NeedsRevalidation.
    """
    rows, past = rows_of(batch), past_rows(batch)
    n_people, ids = len(rows), None
    empty = (None,) * len(batch.kinds)
    is_repeat = batch.repeat_of_id is not None
    if not is_repeat:
        # A profile was deleted, or a person has nothing to send.
        if n_people != batch.n or (empty in rows and _has_unsendable(batch)):
            raise NeedsRevalidation(batch, n_people)
        # All identifiers of a person stay in the audience, because other people there have them.
        if empty in rows and deliveries_without_rows(batch):
            raise NeedsRevalidation(batch, n_people)
        if past:
            current = zip(_delivery_ids(batch), rows, strict=True)
            ids = [pk for pk, row in current if row != empty] + [pk for pk, _row in past]
    if past or is_repeat:
        rows = _with_identifier(rows, batch) + [row for _pk, row in past]
    if not rows or (len(rows) > most_rows and n_people > 1):  # one person cannot be cut
        raise NeedsRevalidation(batch, len(rows))
    return rows, ids


def deliveries_without_rows(batch: Batch) -> list[int]:
    """Return deliveries of a removal with nothing to send: others have the same identifiers."""
    if not shared.leaves_shared(batch):
        return []
    with_past = {pk for pk, _row in past_rows(batch)}
    ids_and_rows = zip(_delivery_ids(batch), rows_of(batch), strict=True)
    return [pk for pk, row in ids_and_rows if not any(row) and pk not in with_past]


def _delivery_ids(batch: Batch) -> list[int]:
    return list(
        Delivery.objects.filter(batch=batch, outcome=None)
        .order_by("pk")
        .values_list("pk", flat=True)
    )


@sensitive_variables()
def send(parcel: Parcel, *, at: float) -> PushAnswer:
    """Wait for the booked time (monotonic), then send the parcel if it is not too late.

    Runs in a thread without the database. Never raises a PartnerError.
    """
    time.sleep(max(0.0, at - time.monotonic()))
    sent_at, sent_us, started = timezone.now(), time.time_ns() // 1000, time.monotonic()
    if started > parcel.post_by:
        return PushAnswer(parcel, None, "", sent_at, sent_us, 0, was_sent=False)
    error: PartnerError | None = None
    request_id = ""
    try:
        receipt: Receipt = parcel.partner.push(parcel.token, parcel.call)
        request_id = receipt.request_id
    except PartnerError as failure:
        error, request_id = failure, failure.request_id
    ms = round((time.monotonic() - started) * 1000)
    return PushAnswer(parcel, error, request_id, sent_at, sent_us, ms)


def named_rows(parcel: Parcel, indexes: Sequence[int]) -> dict[int, list[int]]:
    """Return batch id -> deliveries in the rows (indexes in the body) that the partner named.

    A repeat has an empty list, because it has no deliveries of its own.
    """
    by_batch: dict[int, list[int]] = {}
    named = set(indexes)
    for span in parcel.spans:
        ids = _delivery_ids(span.batch) if span.ids is None else span.ids
        end = span.start + min(span.n, len(ids))
        by_batch[span.batch.pk] = [ids[i - span.start] for i in named if span.start <= i < end]
    return by_batch
