"""The columns of a profile that writers set: the one list behind all their SQL."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any

from django.db import models

from audiencesync.people.identifiers.normalise import RULE_VERSION, Digest, Hashes
from audiencesync.people.models import KINDS, Profile


@dataclass(slots=True)
class Row:
    """One profile in memory."""

    id: int
    external_id: str | None = None
    email: str = ""
    phone: str = ""
    idfa: str = ""
    gaid: str = ""
    country: str = ""
    language: str = ""
    attributes: dict[str, Any] = field(default_factory=dict)
    ad_tracking_enabled: bool | None = None
    ads_consent: bool | None = None
    email_sha256: Digest = None
    phone_sha256: Digest = None
    idfa_sha256: Digest = None
    gaid_sha256: Digest = None
    email_gmail_sha256: Digest = None
    phone_digits_sha256: Digest = None
    invalid_kinds: int = 0
    rule_version: int = RULE_VERSION

    def columns(self) -> tuple[Any, ...]:
        """Return all values but the attributes."""
        return _COLUMNS_OF(self)

    def values(self) -> list[Any]:
        """Return the values as SQLite takes them."""
        found = list(_ALL_OF(self))
        found[ATTRIBUTES] = json.dumps(self.attributes)
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the values for a JSON parameter of PostgreSQL, faster than an array per column."""
        found = dict(zip(COLUMNS, _ALL_OF(self), strict=True))
        for name in HASHES:
            if found[name] is not None:
                found[name] = found[name].hex()
        return found

    def set_hashes(self, kind: str, found: Hashes) -> None:
        """Set the hashes of one kind, and whether its value is unusable.

        Hashed input has no alternative hash; if it is the known hash, the known alternative stays.
        """
        place, column, alternative, other_place = _HASHED[kind]
        new = found[place]
        is_same = new is not None and new == getattr(self, column)
        setattr(self, column, new)
        if alternative and (found[other_place] is not None or not is_same):
            setattr(self, alternative, found[other_place])
        bit = 1 << place
        self.invalid_kinds = self.invalid_kinds & ~bit | found.invalid & bit

    def clear(self, kind: str) -> None:
        """Forget the value of one kind and its hashes."""
        setattr(self, kind, "")
        self.set_hashes(kind, _NO_HASHES)


COLUMNS = tuple(one.name for one in fields(Row))
ATTRIBUTES = COLUMNS.index("attributes")
HASHES = tuple(name for name in COLUMNS if name.endswith("_sha256"))
ALTERNATIVES = {"email": "email_gmail_sha256", "phone": "phone_digits_sha256"}
CONSENTS = ("ad_tracking_enabled", "ads_consent")
_TYPES: dict[type, str] = {  # of PostgreSQL, as records of JSON have them
    models.BigAutoField: "bigint",
    models.BinaryField: "bytea",
    models.BooleanField: "boolean",
    models.CharField: "text",
    models.JSONField: "jsonb",
    models.PositiveSmallIntegerField: "smallint",
}
TYPES = {name: _TYPES[type(Profile._meta.get_field(name))] for name in COLUMNS}
_COLUMNS_OF = attrgetter(*(name for name in COLUMNS if name != "attributes"))
_ALL_OF = attrgetter(*COLUMNS)
_NO_HASHES = Hashes(None, None, None, None, 0)

# Kind -> its place in Hashes, its column, the column of its alternative hash, the place of that.
# Computed here because set_hashes runs for every identifier that is written.
_HASHED = {
    kind: (
        KINDS.index(kind),
        f"{kind}_sha256",
        ALTERNATIVES.get(kind, ""),
        Hashes._fields.index(ALTERNATIVES.get(kind, f"{kind}_sha256").removesuffix("_sha256")),
    )
    for kind in KINDS
}


def hashes_of(kind: str) -> list[str]:
    """Return the columns that hold hashes of one kind."""
    return [f"{kind}_sha256", *([ALTERNATIVES[kind]] if kind in ALTERNATIVES else [])]
