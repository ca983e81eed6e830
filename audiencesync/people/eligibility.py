"""Which profiles may be added to an audience: one definition, as SQL and as Q."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q

DEVICE_KINDS = ("idfa", "gaid")


@dataclass(frozen=True, slots=True)
class FalseColumn:
    """The condition that a boolean column is False; with ``or_unknown``, that it is not True."""

    column: str
    or_unknown: bool = False

    @property
    def q(self) -> Q:
        is_false = Q(**{self.column: False})
        return is_false | Q(**{self.column: None}) if self.or_unknown else is_false

    @property
    def sql(self) -> str:
        """Return the condition over the alias ``q`` of the table of profiles."""
        return f"q.{self.column} {'IS NOT TRUE' if self.or_unknown else 'IS FALSE'}"


NOT_TRACKED = FalseColumn("ad_tracking_enabled")
"""Ad tracking is switched off: device ids must not be sent."""


def no_consent(*, is_strict: bool) -> FalseColumn:
    """Return the condition that consent is refused; with ``is_strict``, refused or unknown."""
    return FalseColumn("ads_consent", or_unknown=is_strict)


def barred_sql(kind: str, *, is_strict: bool) -> str:
    """Return SQL over profile ``q``: this kind of identifier must not be added to an audience."""
    conditions = [no_consent(is_strict=is_strict).sql, "q.erased_at IS NOT NULL"]
    return " OR ".join(conditions + [NOT_TRACKED.sql] * (kind in DEVICE_KINDS))


def usable_sql(kind: str) -> str:
    """Return SQL over profile ``q``: it has a usable identifier of this kind.

    A device id is not usable while ad tracking is switched off.
    """
    tracking_condition = f" AND NOT ({NOT_TRACKED.sql})" if kind in DEVICE_KINDS else ""
    return f"(q.{kind}_sha256 IS NOT NULL{tracking_condition})"


def has_device_sql(kinds: Iterable[str]) -> str:
    """Return SQL over profile ``q``: it has a device id of these kinds; "" if all are others."""
    return " OR ".join(f"q.{kind}_sha256 IS NOT NULL" for kind in kinds if kind in DEVICE_KINDS)


def has_none_q(kinds: Sequence[str]) -> Q:
    """Return the condition of profiles without an identifier of these kinds."""
    # Django drops an empty Q from a condition, even a negated one. `pk__isnull=False` is always
    # true, so that the Q is not empty without kinds.
    return Q(pk__isnull=False, **{f"{kind}_sha256__isnull": True for kind in kinds})


def only_untracked_q(kinds: Sequence[str]) -> Q:
    """Return the condition: all identifiers of these kinds are device ids, and tracking is off."""
    return has_none_q([kind for kind in kinds if kind not in DEVICE_KINDS]) & NOT_TRACKED.q
