"""A crowd enters a Sync: who can never be sent is told why, the others are put into batches. Set-wise, never a loop."""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, F, Model, QuerySet

from audiencesync.people.models import KINDS, PastIdentifier, Profile
from partners import collect, ordering, tally
from partners.models import Action, Audience, Batch, Delivery, Reason, Sync

DEVICE_KINDS = ("idfa", "gaid")

_INSERT = """
INSERT INTO {delivery} (sync_id, profile_id, entry_key, batch_id, outcome, reason)
WITH people (entry_key, profile_id) AS ({people}),
judged AS (
    SELECT people.entry_key, people.profile_id, {reason} AS reason
    FROM people JOIN {profile} q ON q.id = people.profile_id
)
SELECT %s, placed.profile_id, placed.entry_key, placed.batch_id,
       CASE WHEN placed.reason IS NULL THEN NULL ELSE 'not_synced' END, placed.reason
FROM ({placed}) placed
WHERE true
ON CONFLICT (sync_id, entry_key) DO NOTHING
"""
_INSERT_ERASED = """
INSERT INTO {delivery} (sync_id, profile_id, entry_key, batch_id, outcome, reason)
WITH people (entry_key, profile_id) AS ({people})
SELECT %s, NULL, people.entry_key, NULL, 'cancelled', 'erased' FROM people WHERE true
ON CONFLICT (sync_id, entry_key) DO NOTHING
"""
_IN_ONE = "SELECT judged.*, CASE WHEN reason IS NULL THEN {only} END AS batch_id FROM judged"
_IN_SEVERAL = """
SELECT ranked.*, b.id AS batch_id FROM (
    SELECT judged.*, (row_number() OVER (PARTITION BY (reason IS NULL) ORDER BY entry_key) - 1) / {cap} AS place
    FROM judged
) ranked LEFT JOIN (
    SELECT id, row_number() OVER (ORDER BY seq) - 1 AS place FROM {batch} WHERE sync_id = {sync} AND seq >= {first_seq}
) b ON b.place = ranked.place AND ranked.reason IS NULL
"""


def enqueue(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", *, now: datetime) -> int:
    """Let people enter ``sync``, inside the caller's transaction; answers how many had not entered before.

    ``people`` is ``values_list(<entry key>, "profile_id")`` of at most some ten thousand rows. An entry key that is known
    is left alone, so a repeated call changes nothing.
    """
    account = sync.audience.ad_account
    cap = collect.most_people(collect.preset_of(account), account, len(sync.kinds))
    n = people.count()
    if not n:
        return 0
    with tally.gathered(now=now) as moves:
        batches = _make_batches(sync, -(-n // cap), now=now)
        ordering.supersede(sync, people, now=now)
        entered = _insert(sync, people, batches, cap=cap)
        erased = _insert_erased(sync, people.filter(profile_id=None))  # last: somebody may be erased at this moment
        waiting = _fill(batches)
        moves.add(sync.pk, entered=entered, pending=waiting, not_synced=entered - waiting)
        moves.add(sync.pk, entered=erased, cancelled=erased)
    return entered + erased


def put_in_batches(sync: Sync, deliveries: list[int], *, now: datetime) -> None:
    """Move deliveries of ``sync`` into new pending batches, then drop who has a later, opposite wish."""
    account = sync.audience.ad_account
    cap = collect.most_people(collect.preset_of(account), account, len(sync.kinds))
    batches = _make_batches(sync, -(-len(deliveries) // cap), now=now)
    later = ordering.with_later_wish(sync, deliveries)  # under the lock of the audience's seq: nobody overtakes
    for place, batch in enumerate(batches):
        chosen = deliveries[place * cap : (place + 1) * cap]
        batch.n = Delivery.objects.filter(pk__in=chosen).update(batch=batch, outcome=None, reason=None)
    Batch.objects.bulk_update(batches, ["n"])
    ordering.drop(later, now=now)


def _make_batches(sync: Sync, n: int, *, now: datetime) -> list[Batch]:
    """Raise the audience's seq, whose row lock gives batches a commit-true order, and make ``n`` empty batches."""
    Audience.objects.filter(pk=sync.audience_id).update(seq=F("seq") + n)
    last = Audience.objects.values_list("seq", flat=True).get(pk=sync.audience_id)
    return Batch.objects.bulk_create(
        Batch(
            sync=sync,
            audience_id=sync.audience_id,
            ad_account_id=sync.audience.ad_account_id,
            action=sync.action,
            kinds=sync.kinds,
            seq=seq,
            created_at=now,
            due_at=now,
        )
        for seq in range(last - n + 1, last + 1)
    )


def _insert(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", batches: list[Batch], *, cap: int) -> int:
    """Insert the deliveries; answers how many were new. Most crowds fill one batch, which spares sorting them."""
    people_sql, people_params = people.order_by().query.sql_with_params()
    placed = _IN_ONE if len(batches) == 1 else _IN_SEVERAL
    numbers = {"only": batches[0].pk, "cap": cap, "sync": sync.pk, "first_seq": batches[0].seq}
    sql = _INSERT.format(
        delivery=_table(Delivery),
        profile=_table(Profile),
        people=people_sql,
        reason=reason_sql(sync.action, sync.kinds),
        placed=placed.format(batch=_table(Batch), **numbers),
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*people_params, sync.pk])
        n: int = cursor.rowcount
    return n


def _insert_erased(sync: Sync, people: "QuerySet[Any, tuple[int, int]]") -> int:
    """People who were erased on their way here enter as cancelled: nothing is known to send. Answers how many."""
    if not people.exists():
        return 0
    people_sql, people_params = people.order_by().query.sql_with_params()
    with connection.cursor() as cursor:
        sql = _INSERT_ERASED.format(delivery=_table(Delivery), people=people_sql)
        cursor.execute(sql, [*people_params, sync.pk])
        n: int = cursor.rowcount
    return n


def _fill(batches: list[Batch]) -> int:
    """Set each batch's n from the rows that were really inserted, drop the empty ones; answers the sum."""
    counted = Delivery.objects.filter(batch__in=batches).values_list("batch").annotate(n=Count("pk")).order_by()
    sizes: dict[int, int] = dict(counted)
    for batch in batches:
        batch.n = sizes.get(batch.pk, 0)
    Batch.objects.bulk_update([batch for batch in batches if batch.n], ["n"])
    empty = [batch.pk for batch in batches if not batch.n]
    if empty:
        Batch.objects.filter(pk__in=empty)._raw_delete("default")  # made above: nothing refers to them
    return sum(sizes.values())


def reason_sql(action: str, kinds: list[str]) -> str:
    """SQL over profile ``q``: NULL for who can be sent, a Reason for who cannot. Made of constants only."""
    usable = " OR ".join(sendable_sql(kind, action) for kind in kinds)
    mask = sum(1 << KINDS.index(kind) for kind in kinds)
    devices = [kind for kind in kinds if kind in DEVICE_KINDS]
    cases = []
    if action == Action.ADD:
        cases.append(f"WHEN q.ads_consent IS FALSE THEN '{Reason.NO_CONSENT}'")
    cases.append(f"WHEN {usable} THEN NULL")
    if action == Action.ADD and devices:
        present = " OR ".join(f"q.{kind}_sha256 IS NOT NULL" for kind in devices)
        cases.append(f"WHEN {present} THEN '{Reason.AD_TRACKING_OFF}'")
    cases.append(f"WHEN (q.invalid_kinds & {mask}) <> 0 THEN '{Reason.INVALID_VALUE}'")
    return f"CASE {' '.join(cases)} ELSE '{Reason.NO_IDENTIFIER}' END"


def sendable_sql(kind: str, action: str) -> str:
    """SQL condition over profile ``q``: this kind of identifier may be sent. A removal may send a past one, too."""
    if action == Action.ADD:
        tracked = " AND q.ad_tracking_enabled IS NOT FALSE" if kind in DEVICE_KINDS else ""
        return f"(q.{kind}_sha256 IS NOT NULL{tracked})"
    past = f"SELECT 1 FROM {_table(PastIdentifier)} z WHERE z.profile_id = q.id AND z.kind = '{kind}'"  # noqa: S608  # constants
    return f"(q.{kind}_sha256 IS NOT NULL OR EXISTS ({past}))"


def _table(model: type[Model]) -> str:
    return model._meta.db_table
