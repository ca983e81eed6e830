"""Consent to advertising: derive it from an attribute, and record withdrawals.

The sync queue reads only ``Profile.ads_consent``. A group may name an attribute that decides it:
then every write of a profile sets the column from the attribute. After a change of this setting,
a background job (writing/rework.py) sets the column of all profiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from audiencesync.core.beat import wake_job
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Withdrawal


def from_attribute(app_group: AppGroup, attributes: Mapping[str, Any]) -> bool | None:
    """Return the consent that the group's attribute holds; None without the attribute."""
    value = attributes.get(app_group.consent_attribute)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 means the same as 1
    text = str(value).lower() if isinstance(value, bool | int | float | str) else ""
    return text.strip() in {word.lower() for word in app_group.consent_values}


def after_change(
    app_group: AppGroup, attributes: Mapping[str, Any], stored: bool | None
) -> bool | None:
    """Return the consent after a change of attributes.

    ``stored``: the consent before. A refusal stays until the attribute holds a value.
    """
    consent = from_attribute(app_group, attributes)
    return False if consent is None and stored is False else consent


def record_withdrawals(app_group: AppGroup, profile_ids: Iterable[int], *, now: datetime) -> None:
    """Record withdrawals inside the caller's transaction, and wake the job that handles them."""
    withdrawals = [Withdrawal(app_group=app_group, profile_id=pk, at=now) for pk in profile_ids]
    if withdrawals:
        Withdrawal.objects.bulk_create(withdrawals)
        wake_job("privacy")
