"""The face of audiences: what can be chosen (listing.py), how one comes into being (creating.py), is the token good."""

from partners.connecting import probe
from partners.creating import create
from partners.listing import AudienceNameError, NotDone, check_name, choices, refresh, refresh_first, type_of, why_not

__all__ = [
    "AudienceNameError",
    "NotDone",
    "check_name",
    "choices",
    "create",
    "probe",
    "refresh",
    "refresh_first",
    "type_of",
    "why_not",
]
