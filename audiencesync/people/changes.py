"""A change of one profile, as the API and imports request it."""

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
    """Values to set on one profile, found by the first given of the five names below.

    ``fields``: columns of Profile. ``attributes``: JSON, or an Inc, Edit, Merge or EditObjects.
    A value of None deletes the stored one.
    """

    external_id: str | None = None
    alias: tuple[str, str] | None = None  # label, name
    profile_id: int | None = None
    email: str | None = None
    phone: str | None = None
    fields: Mapping[str, str | bool | None] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    only_existing: bool = False
