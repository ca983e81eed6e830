"""A change of one profile, as the API and imports request it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = Any


# "unknown": no such profile, and the change may create none. "invalid": an unusable e-mail or phone
# as key. "gone": erased since it was found. "erased": named in the erasure ledger. The others are
# those of attribute_changes.AttributeProblem.
ChangeProblem = Literal[
    "unknown", "invalid", "gone", "erased", "not_a_number", "not_a_list", "too_long", "too_many"
]


@dataclass(frozen=True, slots=True)
class Change:
    """Values to set on one profile, found by the first of the five names below that is given.

    ``fields``: columns of Profile. ``attributes``: new values, or changes of the stored ones (Inc,
    Edit, Merge, EditObjects of writing/attribute_changes.py). None deletes the stored value.
    """

    external_id: str | None = None
    alias: tuple[str, str] | None = None  # label, name
    profile_id: int | None = None
    email: str | None = None
    phone: str | None = None
    fields: Mapping[str, str | bool | None] = field(default_factory=dict)
    attributes: Mapping[str, Json] = field(default_factory=dict)
    only_existing: bool = False  # create no profile
