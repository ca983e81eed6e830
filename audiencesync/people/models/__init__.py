"""Profiles and what belongs to them, segments, imports of files, live segments."""

from audiencesync.people.models import imports, live
from audiencesync.people.models.people import (
    KINDS,
    LONGEST_EXTERNAL_ID,
    ErasedName,
    Erasure,
    Event,
    Misreading,
    PastIdentifier,
    Profile,
    Segment,
    UserAlias,
    Withdrawal,
)

__all__ = [
    "ErasedName",
    "Erasure",
    "Event",
    "KINDS",
    "LONGEST_EXTERNAL_ID",
    "Misreading",
    "PastIdentifier",
    "Profile",
    "Segment",
    "UserAlias",
    "Withdrawal",
    "imports",
    "live",
]
