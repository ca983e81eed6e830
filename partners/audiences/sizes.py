"""Store the size of audiences by day."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from partners.base import RemoteAudience
from partners.models import AdAccount, Audience, AudienceSize

CHUNK = 500  # rows of a statement


def store(ad_account: AdAccount, listed: Iterable[RemoteAudience], *, now: datetime) -> None:
    """Store the sizes of listed audiences; those of the same day are replaced."""
    sizes = {audience.id: audience.size for audience in listed}
    audiences = Audience.objects.filter(ad_account=ad_account, remote_id__in=sizes)
    day = now.astimezone(UTC).date()
    AudienceSize.objects.bulk_create(
        (
            AudienceSize(audience_id=pk, day=day, size=sizes[remote_id])
            for pk, remote_id in audiences.values_list("pk", "remote_id")
        ),
        batch_size=CHUNK,
        update_conflicts=True,
        unique_fields=["audience", "day"],
        update_fields=["size"],
    )
