"""Builds the body of a request from stored hashes and sends it. Knows no outcome: settle.py judges the answer."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audiencesync.people.models import PastIdentifier, Profile
from partners import base, registry
from partners.base import Cells, Partner, Receipt
from partners.collect import Request
from partners.enqueue import DEVICE_KINDS
from partners.errors import PartnerError
from partners.models import Action, Batch, Delivery

Row = tuple[bytes | None, ...]

_ROWS = """
SELECT {cells} FROM {delivery} d LEFT JOIN {profile} q ON q.id = d.profile_id
WHERE d.batch_id = %s AND d.outcome IS NULL {still} ORDER BY d.id
"""


_STILL_WANTED = """
AND NOT EXISTS (SELECT 1 FROM {delivery} e JOIN {batch} b ON b.id = e.batch_id
WHERE e.profile_id = d.profile_id AND e.outcome IS NULL AND b.audience_id = %s AND b.action = %s AND b.seq > %s
AND b.state IN ('pending', 'synced'))
"""


@dataclass(slots=True)
class Parcel:
    """A request with its body, ready for a thread that knows no database."""

    request: Request
    partner: Partner
    token: str
    body: bytes
    people: int
    ids: int
    post_by: float  # time.monotonic() after which it must not be sent: the lease would not outlive the call

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


def rows_of(batch: Batch) -> list[Row]:
    """One row per person of the batch without an outcome of their own, in a fixed order: 32-byte hashes or None."""
    cells = ", ".join(_cell(kind, batch.action) for kind in batch.kinds)
    tables = {"delivery": Delivery._meta.db_table, "profile": Profile._meta.db_table, "batch": Batch._meta.db_table}
    still = ""
    later: tuple[int | str, ...] = ()
    if batch.repeat_of_id:  # who has been asked the opposite since, must not be overtaken by the repeat
        still, later = (
            _STILL_WANTED.format(**tables),
            (batch.audience_id, Action(batch.action).opposite.value, batch.seq),
        )
    sql = _ROWS.format(cells=cells, still=still, **tables)
    with connection.cursor() as cursor:
        cursor.execute(sql, [batch.repeat_of_id or batch.pk, *later])
        rows: list[Row] = cursor.fetchall()
    return rows


def past_rows(batch: Batch) -> list[Row]:
    """For a removal: one more row for each hash that these people were known by before."""
    if batch.action != Action.REMOVE:
        return []
    past = PastIdentifier.objects.filter(
        profile__deliveries__batch=batch.repeat_of_id or batch.pk,
        profile__deliveries__outcome=None,
        kind__in=batch.kinds,
    ).order_by("pk")
    return [
        tuple(bytes(sha256) if kind == column else None for column in batch.kinds)
        for kind, sha256 in past.values_list("kind", "sha256")
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


def _cell(kind: str, action: str) -> str:
    """SQL for one column. An add withholds device ids of who switched tracking off, and everything without consent."""
    column = f"q.{kind}_sha256"
    if action == Action.REMOVE:
        return column
    barred = ["q.ads_consent IS FALSE"] + ["q.ad_tracking_enabled IS FALSE"] * (kind in DEVICE_KINDS)
    return f"CASE WHEN {' OR '.join(barred)} THEN NULL ELSE {column} END"


@sensitive_variables()
def pack(request: Request, *, post_by: float, most_rows: int) -> Parcel:
    """Read the hashes and write the body. Raises Incomplete before anything is sent, and crypto.CannotOpen."""
    cells: list[Cells] = []
    n_rows = n_ids = 0
    for batch in request.batches:
        rows = rows_of(batch)
        past = past_rows(batch)
        empty = (None,) * len(batch.kinds)
        if batch.repeat_of_id is None and (len(rows) != batch.n or (empty in rows and _has_bare(batch))):
            raise Incomplete(batch, len(rows))
        if past or batch.repeat_of_id:
            rows = [row for row in rows if row != empty] + past
        if not rows or (len(rows) > most_rows and batch.n > 1):  # one person, or a repeat, cannot be cut
            raise Incomplete(batch, len(rows))
        n_rows += len(rows)
        n_ids += sum(len(row) - row.count(None) for row in rows)
        cells.append(Cells((batch.audience.remote_id,), rows))
    partner = registry.get(request.connection.partner)
    action = base.Action(request.action)
    body = partner.build_body(request.ad_account.remote_id, action, request.kinds, cells)
    return Parcel(request, partner, request.connection.token, body, n_rows, n_ids, post_by)


@sensitive_variables()
def send(parcel: Parcel, *, wait: float) -> Answer:
    """Wait for the booked time, then make the call. Runs in a thread and touches no database; never raises."""
    time.sleep(wait)
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
    """Positions in the body -> delivery ids by batch, for the rows a partner named. Past rows name nobody."""
    named: dict[int, list[int]] = {}
    wanted, start = set(indexes), 0
    for batch in parcel.request.batches:
        ids = list(Delivery.objects.filter(batch=batch, outcome=None).order_by("pk").values_list("pk", flat=True))
        if batch.action == Action.REMOVE and past_rows(batch):
            nameless = set(_nameless(batch).values_list("pk", flat=True))
            ids = [pk for pk in ids if pk not in nameless]
        named[batch.pk] = [ids[i - start] for i in wanted if start <= i < start + len(ids)]
        start += len(ids) + len(past_rows(batch))
    return named
