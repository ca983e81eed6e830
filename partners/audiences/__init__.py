"""The interface of this package: list audiences, create one, check names and the token."""

from partners.audiences.creation import create
from partners.audiences.listing import (
    AudienceCallFailed,
    AudienceNameError,
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
    "AudienceCallFailed",
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
