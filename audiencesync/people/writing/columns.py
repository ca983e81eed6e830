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
    """The values of one profile that writers read and set."""

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

    def column_values(self) -> tuple[Any, ...]:
        """Return all values but the attributes."""
        return _get_columns(self)

    def values(self) -> list[Any]:
        """Return the values as SQLite takes them."""
        values = list(_get_all(self))
        values[ATTRIBUTES] = json.dumps(self.attributes)
        return values

    def as_json(self) -> dict[str, Any]:
        """Return the values for a JSON parameter of PostgreSQL, faster than an array per column."""
        values = dict(zip(COLUMNS, _get_all(self), strict=True))
        for name in HASHES:
            if values[name] is not None:
                values[name] = values[name].hex()
        return values

    def set_hashes(self, kind: str, hashes: Hashes) -> None:
        """Set the hashes of one kind, and its bit of ``invalid_kinds``.

        A value that arrived hashed has no alternative hash. If it equals the stored hash, the
        stored alternative hash stays.
        """
        index, column, alternative, alternative_index = _HASH_INDEXES[kind]
        digest = hashes[index]
        is_unchanged = digest is not None and digest == getattr(self, column)
        setattr(self, column, digest)
        if alternative and (hashes[alternative_index] is not None or not is_unchanged):
            setattr(self, alternative, hashes[alternative_index])
        bit = 1 << index
        self.invalid_kinds = self.invalid_kinds & ~bit | hashes.invalid & bit

    def clear(self, kind: str) -> None:
        """Delete the value of one kind and its hashes."""
        setattr(self, kind, "")
        self.set_hashes(kind, _NO_HASHES)


COLUMNS = tuple(column_field.name for column_field in fields(Row))
ATTRIBUTES = COLUMNS.index("attributes")
HASHES = tuple(name for name in COLUMNS if name.endswith("_sha256"))
ALTERNATIVES = {"email": "email_gmail_sha256", "phone": "phone_digits_sha256"}
CONSENTS = ("ad_tracking_enabled", "ads_consent")
_SQL_TYPES: dict[type, str] = {  # PostgreSQL's types, for json_to_recordset (rows.py)
    models.BigAutoField: "bigint",
    models.BinaryField: "bytea",
    models.BooleanField: "boolean",
    models.CharField: "text",
    models.JSONField: "jsonb",
    models.PositiveSmallIntegerField: "smallint",
}
TYPES = {name: _SQL_TYPES[type(Profile._meta.get_field(name))] for name in COLUMNS}
_get_columns = attrgetter(*(name for name in COLUMNS if name != "attributes"))
_get_all = attrgetter(*COLUMNS)
_NO_HASHES = Hashes(None, None, None, None, 0)

# Kind -> index in Hashes and column of its hash; column and index of its alternative hash.
# Computed once because set_hashes runs for every identifier that is written.
_HASH_INDEXES = {
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
