"""Let people enter a Sync: each gets a delivery, with a Reason if it cannot be sent, else a batch.

Each stage is one SQL statement for all people.
"""

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Count, F, Max, Model, QuerySet

from audiencesync.core.database.subquery import sql_of
from audiencesync.people import eligibility
from audiencesync.people.models import KINDS, PastIdentifier, Profile
from partners.models import Action, Audience, Batch, Delivery, Reason, Sync
from partners.queue import collect, outcomes, supersede, tally

# In the statements, ``q`` is the profile. ``judged`` are people with the reason why they cannot be
# sent (NULL: they can); ``assigned`` are these with their batch; ``nr`` is the index of a batch.
_INSERT = """
INSERT INTO {delivery} (sync_id, profile_id, entry_key, batch_id, outcome, reason)
WITH people (entry_key, profile_id) AS ({people}),
judged AS (
    SELECT people.entry_key, q.id AS profile_id,
           CASE WHEN q.id IS NULL THEN 'erased' ELSE {reason} END AS reason
    FROM people LEFT JOIN {profile} q ON q.id = people.profile_id
)
SELECT %s, assigned.profile_id, assigned.entry_key, assigned.batch_id,
       CASE WHEN assigned.reason IS NULL THEN NULL
            WHEN assigned.reason = 'erased' THEN 'cancelled' ELSE 'not_synced' END,
       assigned.reason
FROM ({assigned}) assigned
WHERE true {on_conflict}
"""
_COUNT_AND_LOWEST_KEY = (
    "WITH people (entry_key, profile_id) AS ({people}) SELECT count(*), min(entry_key) FROM people"
)
_KEEP_EXISTING = "ON CONFLICT (sync_id, entry_key) DO NOTHING"
_IN_ONE_BATCH = "SELECT judged.*, CASE WHEN reason IS NULL THEN {only} END AS batch_id FROM judged"
_IN_BATCHES = """
SELECT counted.*, b.id AS batch_id FROM (
    SELECT judged.*, (
        count(*) FILTER (WHERE reason IS NULL) OVER (ROWS UNBOUNDED PRECEDING) - 1
    ) / {cap} AS nr
    FROM judged
) counted LEFT JOIN (
    SELECT id, row_number() OVER (ORDER BY seq) - 1 AS nr
    FROM {batch} WHERE sync_id = {sync} AND seq >= {first_seq}
) b ON b.nr = counted.nr AND counted.reason IS NULL
"""


def enqueue(sync: Sync, people: "QuerySet[Any, tuple[int, int]]", *, now: datetime) -> int:
    """Let people enter ``sync``, inside the caller's transaction. Return how many were new.

    ``people`` is ``values_list(<entry key>, "profile_id")`` of at most about 10,000 rows. A known
    entry key is skipped, so a repeated call adds nothing. A person without a profile enters as
    cancelled.
    """
    account = sync.audience.ad_account
    cap = collect.max_people(collect.preset_of(account), account, len(sync.kinds))
    n, lowest = _count_and_lowest_key(people)
    if not n:
        return 0
    with tally.atomic(now=now) as changes:
        batches = _make_batches(sync, -(-n // cap), now=now)  # rounded up
        last_id = Delivery.objects.aggregate(last=Max("pk"))["last"] or 0
        _insert(sync, people, batches, cap=cap, are_new=_are_new(sync, lowest))
        entered = _count_inserted(sync, lowest, last_id)
        _set_sizes(batches, entered)
        supersede.cancel_opposite(sync, [batch for batch in batches if batch.n], now=now)
        for outcome, by_batch in entered.items():
            n = sum(by_batch.values())
            changes.add(sync.pk, entered=n, **{outcome or "pending": n})
    return sum(sum(by_batch.values()) for by_batch in entered.values())


def _count_and_lowest_key(people: "QuerySet[Any, tuple[int, int]]") -> tuple[int, int]:
    """Return how many people there are, and their lowest entry key."""
    sql, params = sql_of(people.order_by())
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_AND_LOWEST_KEY.format(people=sql), params)
        n, lowest = cursor.fetchone()
    return n, lowest or 0


def _are_new(sync: Sync, lowest: int) -> bool:
    """Return whether no one can have entered before, because all stored entry keys are lower.

    The caller holds the lock of the audience's row, so no other transaction adds entry keys.
    """
    return lowest > (
        Delivery.objects.filter(sync=sync).aggregate(last=Max("entry_key"))["last"] or 0
    )


def put_in_batches(sync: Sync, delivery_ids: list[int], *, is_unclear: bool, now: datetime) -> None:
    """Move deliveries of ``sync`` into new batches. Cancel those that were superseded meanwhile.

    ``is_unclear``: some of them may have arrived at the partner already.
    """
    account = sync.audience.ad_account
    cap = collect.max_people(collect.preset_of(account), account, len(sync.kinds))
    batches = _make_batches(sync, -(-len(delivery_ids) // cap), now=now)  # rounded up
    # Read under the lock of the audience's row: no later operation can be committed meanwhile.
    superseded_ids = supersede.no_longer_wanted(sync, delivery_ids)
    for index, batch in enumerate(batches):
        ids = delivery_ids[index * cap : (index + 1) * cap]
        batch.n = Delivery.objects.filter(pk__in=ids).update(batch=batch, outcome=None, reason=None)
        batch.attempts += is_unclear
        batch.was_tried = True
    Batch.objects.bulk_update(batches, ["n", "attempts", "was_tried"])
    superseded = Delivery.objects.filter(pk__in=superseded_ids, outcome=None)
    outcomes.cancel(superseded, Reason.SUPERSEDED, now=now)


def _make_batches(sync: Sync, n: int, *, now: datetime) -> list[Batch]:
    """Raise the audience's seq and make ``n`` empty batches.

    The update locks the audience's row until the commit, so seq numbers follow the commit order.
    """
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


def _insert(
    sync: Sync,
    people: "QuerySet[Any, tuple[int, int]]",
    batches: list[Batch],
    *,
    cap: int,
    are_new: bool,
) -> None:
    """Insert the deliveries. ``are_new``: none of the people has entered before.

    Usually all people fit into one batch and need no numbering. Usually all are new, and PostgreSQL
    need not look for existing entry keys row by row, which is a third of the work.
    """
    people_sql, people_params = sql_of(people.order_by())
    assigned = _IN_ONE_BATCH if len(batches) == 1 else _IN_BATCHES
    params = {"only": batches[0].pk, "cap": cap, "sync": sync.pk, "first_seq": batches[0].seq}
    sql = _INSERT.format(
        delivery=_table(Delivery),
        profile=_table(Profile),
        people=people_sql,
        reason=reason_sql(sync.action, sync.kinds, is_strict=sync.app_group.consent_required),
        assigned=assigned.format(batch=_table(Batch), **params),
        on_conflict="" if are_new else _KEEP_EXISTING,
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [*people_params, sync.pk])


def _count_inserted(
    sync: Sync, lowest: int, last_id: int
) -> dict[str | None, dict[int | None, int]]:
    """Return outcome -> batch -> how many deliveries were inserted with ids above ``last_id``.

    Under the lock of the audience's row, no other transaction inserts deliveries of this Sync.
    """
    inserted = Delivery.objects.filter(sync=sync, entry_key__gte=lowest, pk__gt=last_id).order_by()
    counts: dict[str | None, dict[int | None, int]] = {}
    for outcome, batch, n in inserted.values_list("outcome", "batch").annotate(n=Count("pk")):
        counts.setdefault(outcome, {})[batch] = n
    return counts


def _set_sizes(batches: list[Batch], entered: dict[str | None, dict[int | None, int]]) -> None:
    """Set the n of each batch to the number of its new deliveries, and delete empty batches."""
    sizes = entered.get(None, {})
    for batch in batches:
        batch.n = sizes.get(batch.pk, 0)
    Batch.objects.bulk_update([batch for batch in batches if batch.n], ["n"])
    empty = [batch.pk for batch in batches if not batch.n]
    if empty:
        # These batches were made in this transaction, so nothing refers to them.
        Batch.objects.filter(pk__in=empty)._raw_delete("default")


def reason_sql(action: str, kinds: list[str], *, is_strict: bool) -> str:
    """Return SQL over profile ``q``: NULL if it can be sent, else a Reason. It needs no params.

    ``is_strict``: a profile without a recorded consent must not be added.
    """
    mask = sum(1 << KINDS.index(kind) for kind in kinds)
    usable = " OR ".join(usable_sql(kind, action) for kind in kinds)
    devices = eligibility.has_device_sql(kinds)
    cases = []
    if action == Action.ADD:
        refused = eligibility.no_consent(is_strict=is_strict).sql
        cases.append(f"WHEN q.erased_at IS NOT NULL THEN '{Reason.ERASED}'")
        cases.append(f"WHEN {refused} THEN '{Reason.NO_CONSENT}'")
    cases.append(f"WHEN {usable} THEN NULL")
    if action == Action.ADD and devices:
        cases.append(f"WHEN {devices} THEN '{Reason.AD_TRACKING_OFF}'")
    cases.append(f"WHEN (q.invalid_kinds & {mask}) <> 0 THEN '{Reason.INVALID_VALUE}'")
    return f"CASE {' '.join(cases)} ELSE '{Reason.NO_IDENTIFIER}' END"


def usable_sql(kind: str, action: str) -> str:
    """Return SQL over profile ``q``: whether it has a hash to send; removals send past ones too."""
    if action == Action.ADD:
        return eligibility.usable_sql(kind)
    past = f"{_table(PastIdentifier)} z WHERE z.profile_id = q.id AND z.kind = '{kind}'"
    has_past = f"EXISTS (SELECT 1 FROM {past})"  # noqa: S608  # constants
    return f"(q.{kind}_sha256 IS NOT NULL OR {has_past})"


def _table(model: type[Model]) -> str:
    return model._meta.db_table
