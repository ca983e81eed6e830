"""The tables of partners: connections.py is who we talk to, queue.py what we still have to tell them."""

from partners.models.connections import (
    AdAccount,
    Audience,
    Connection,
    OAuthState,
    ParkedBy,
    SpentToken,
)
from partners.models.queue import (
    Action,
    Batch,
    Budget,
    Count,
    Delivery,
    Lane,
    Outcome,
    Push,
    Reason,
    Sync,
    Tally,
    TallyHour,
)

__all__ = [
    "Action",
    "AdAccount",
    "Audience",
    "Batch",
    "Budget",
    "Connection",
    "Count",
    "Delivery",
    "Lane",
    "OAuthState",
    "Outcome",
    "ParkedBy",
    "Push",
    "Reason",
    "SpentToken",
    "Sync",
    "Tally",
    "TallyHour",
]
