"""Codes that say what is wrong with a place, from its row alone; empty if nothing is wrong.

A place is a connection, ad account, audience or Sync: the foreign key of an incident.
"""

from __future__ import annotations

from partners.models import AdAccount, Audience, Connection, ParkedBy
from partners.models.batch_queries import SEALED

BACKLOG, REMOVALS_HELD = "backlog", "removals_held"
ERROR_SHARE, NEARLY_FULL, TOO_SMALL = "error_share", "audiences_nearly_full", "audience_small"
HOLD_NO_BATCHES = (ERROR_SHARE, NEARLY_FULL, TOO_SMALL, REMOVALS_HELD)
"""Codes of incidents during which pending people are sent."""


def of_connection(connection: Connection, *, lacks_key: bool = False) -> str:
    """Return the code of a connection. ``lacks_key``: no machine can decrypt its token."""
    if not connection.is_connected:
        return "not_connected"
    if lacks_key or connection.parked_code == SEALED:
        return SEALED
    # This comes before the test of this machine's keys: all machines must give the same answer.
    if connection.parked_by == ParkedBy.TOKEN:
        return "token_refused"
    return "" if connection.opens_here else SEALED


def of_ad_account(ad_account: AdAccount) -> str:
    """Return the code of an ad account."""
    if not ad_account.is_chosen:
        return "ad_account_disconnected"
    return "ad_account_refused" if ad_account.parked_by == ParkedBy.AD_ACCOUNT else ""


def of_audience(audience: Audience) -> str:
    """Return the code of an audience."""
    if not audience.remote_id:
        return "audience_not_created"
    if audience.gone_at is not None or audience.parked_by == ParkedBy.AUDIENCE_GONE:
        return "audience_gone"
    return "" if audience.is_appendable else "audience_not_appendable"
