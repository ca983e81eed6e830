"""Consent to advertising and hash-only storage: what a group's settings make of a person.

``Profile.ads_consent`` is the one truth that the queue reads. A group may name an attribute that tells it; then the column
follows the attribute whenever somebody is written, and a background pass reworks everybody after a change of settings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from audiencesync.core import beat as clock
from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Withdrawal

TASK = "canvases.privacy.erase.beat"


def derived(app_group: AppGroup, attributes: Mapping[str, Any]) -> bool | None:
    """What an attribute says; None if it is not there."""
    value = attributes.get(app_group.consent_attribute)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 says what 1 says
    text = str(value).lower() if isinstance(value, bool | int | float | str) else ""
    return text.strip() in {word.lower() for word in app_group.consent_values}


def followed(app_group: AppGroup, attributes: Mapping[str, Any], known: bool | None) -> bool | None:
    """What the attribute makes of consent known so far: a refusal stands until the attribute says yes."""
    told = derived(app_group, attributes)
    return False if told is None and known is False else told


def is_refused(app_group: AppGroup, consent: bool | None) -> bool:
    """Whether somebody must not be added. Unknown is refused where consent is required."""
    return consent is False or (consent is None and app_group.consent_required)


def remember(app_group: AppGroup, profile_ids: Iterable[int], *, now: datetime) -> None:
    """Write down who withdrew, inside the caller's transaction, and wake whoever acts on it."""
    rows = [Withdrawal(app_group=app_group, profile_id=pk, at=now) for pk in profile_ids]
    if rows:
        Withdrawal.objects.bulk_create(rows)
        clock.wake(TASK)
