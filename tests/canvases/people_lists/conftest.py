"""A step whose deliveries have every outcome and reason."""

import pytest
from django.utils import timezone

from canvases.models import Step, Visit
from partners.models import Batch, Delivery, Sync
from partners.queue import tally

OWN_OUTCOMES = [
    ("not_synced", "no_identifier"),
    ("not_synced", ""),
    ("errored", "40002"),
    ("cancelled", "moved"),
]
BATCH_OUTCOMES = [
    ("errored", "40007"),
    ("pending", ""),
    ("pending", "50000"),
    ("cancelled", "discarded"),
    ("synced", "0"),
]


@pytest.fixture
def step(canvas, winback, people):
    """A step with two syncs; each has a delivery of every outcome and reason."""
    row = Step.objects.create(canvas=canvas, kind="audience_sync")
    now = timezone.now()
    canvas.launched_at = now
    canvas.save()
    visits = [Visit(canvas=canvas, profile=person, entered_at=now) for person in people]
    visits = Visit.objects.bulk_create(visits)
    for _ in range(2):
        sync_row = Sync.objects.create(
            app_group=canvas.app_group,
            audience=winback,
            action="add",
            kinds=["email"],
            label="x",
            url="/",
        )
        row.syncs.add(sync_row)
        deliver(sync_row, visits, now=now)
    return row


def deliver(sync_row, visits, *, now):
    common = {
        "sync": sync_row,
        "audience": sync_row.audience,
        "ad_account": sync_row.audience.ad_account,
    }
    common |= {"action": "add", "kinds": ["email"], "created_at": now, "due_at": now}
    outcomes = [(outcome, reason, None) for outcome, reason in OWN_OUTCOMES]
    for seq, (state, code) in enumerate(BATCH_OUTCOMES):
        batch = Batch.objects.create(**common, seq=seq, state=state, last_code=code)
        outcomes.append((state, code, batch))
    with tally.atomic(now=now) as moves:
        for place, visit in enumerate(visits):
            outcome, reason, batch = outcomes[place % len(outcomes)]
            fields = {"batch": batch} if batch else {"outcome": outcome, "reason": reason or None}
            Delivery.objects.create(
                sync=sync_row, profile_id=visit.profile_id, entry_key=visit.pk, **fields
            )
            moves.add(sync_row.pk, entered=1, **{outcome: 1}, moved=int(reason == "moved"))
            if batch:
                batch.n += 1
                batch.save()
