"""Identifiers that another person in the audience has, too, such as the e-mail of a family.

If they were removed when one of these people leaves, the others would be removed, too.
"""

from __future__ import annotations

from partners.models import Batch, Sync

KINDS = ("email", "phone")  # device ids have no index, and hardly two people share a device

# Another person (o) of the group has the same hash and an add (e) to the audience that sent this
# kind. The add was neither discarded nor reverted (r), and no removal (f) follows it.
_SHARED = """EXISTS (
    SELECT 1 FROM {profile} o JOIN {delivery} e ON e.profile_id = o.id
    JOIN {batch} a ON a.id = e.batch_id
    WHERE o.app_group_id = {group} AND o.{kind}_sha256 = {sha256} AND o.id <> d.profile_id
    AND o.merged_into_id IS NULL AND o.erased_at IS NULL
    AND a.audience_id = {audience} AND a.action = 'add' AND NOT a.cancel_requested
    AND CAST(a.kinds AS text) LIKE '%%"{kind}"%%'
    AND COALESCE(e.outcome, a.state) IN ('pending', 'synced', 'errored')
    AND NOT EXISTS (
        SELECT 1 FROM {sync} u JOIN {delivery} r ON r.sync_id = u.id
        WHERE u.undoes_id = e.sync_id AND r.entry_key = e.id)
    AND NOT EXISTS (
        SELECT 1 FROM {delivery} f JOIN {batch} c ON c.id = f.batch_id
        WHERE f.profile_id = o.id AND c.audience_id = a.audience_id AND c.action = 'remove'
        AND c.seq > a.seq AND COALESCE(f.outcome, c.state) IN ('pending', 'synced', 'errored')))
"""


def leaves_shared(batch: Batch) -> bool:
    """Return whether a batch must leave shared identifiers there: it removes who left a step."""
    return batch.sync.purpose == Sync.Purpose.LEFT


def shared_sql(sha256: str, kind: str, batch: Batch, tables: dict[str, str]) -> str:
    """Return SQL over a delivery ``d``: another person in the audience has this hash."""
    if kind not in KINDS:
        return "false"
    ids = {"group": batch.sync.app_group_id, "audience": batch.audience_id}
    return _SHARED.format(kind=kind, sha256=sha256, **ids, **tables)


def past_sql(batch: Batch, tables: dict[str, str]) -> str:
    """Return "AND ..." over a past identifier ``z``: no other person in the audience has it."""
    return "".join(
        f"AND NOT (z.kind = '{kind}' AND {shared_sql('z.sha256', kind, batch, tables)})"
        for kind in KINDS
    )
