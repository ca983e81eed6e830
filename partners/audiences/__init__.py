"""The face of audiences: what can be chosen (listing.py), how one comes into being (creation.py), is the token good."""

from partners.audiences.creation import create
from partners.audiences.listing import (
    AudienceNameError,
    NotDone,
    check_name,
    choices,
    partner_of,
    refresh,
    refresh_first,
    type_of,
    why_not,
)
from partners.connections.connect import probe

__all__ = [
    "AudienceNameError",
    "NotDone",
    "check_name",
    "choices",
    "create",
    "partner_of",
    "probe",
    "refresh",
    "refresh_first",
    "type_of",
    "why_not",
]
