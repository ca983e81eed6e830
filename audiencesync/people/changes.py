"""A change of one person, as the API and imports ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any


ChangeProblem = Literal[
    "unknown", "invalid", "gone", "erased", "not_a_number", "not_a_list", "too_long", "too_many"
]


@dataclass(frozen=True, slots=True)
class Change:
    """What is told about one person, named by the first of these that is given. Only what is named is set.

    ``fields``: columns of Profile, None deletes. ``attributes``: JSON, None deletes, or an Inc or Edit.
    """

    external_id: str | None = None
    alias: tuple[str, str] | None = None  # label, name
    profile_id: int | None = None
    email: str | None = None
    phone: str | None = None
    fields: Mapping[str, str | bool | None] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    only_existing: bool = False
