"""Counts by reason stop at a limit; the page then says how many people are not counted."""

import pytest
from django.utils import timezone

from canvases.models import Step, StepTally
from partners import sync
from partners.models import Batch, Delivery
from partners.people import by_reason
from partners.queue import tally
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def sync_row(winback):
    return builder.make_sync(winback)


@pytest.fixture
def deliver(sync_row):
    """deliver(outcome, reasons): add one delivery per reason, and count it in the tally."""

    def run(outcome, reasons):
        first = Delivery.objects.count()
        rows = [
            Delivery(sync=sync_row, entry_key=first + n, outcome=outcome, reason=reason)
            for n, reason in enumerate(reasons)
        ]
        Delivery.objects.bulk_create(rows)
        with tally.atomic(now=timezone.now()) as moves:
            moves.add(sync_row.pk, entered=len(rows), **{outcome: len(rows)})

    return run


@pytest.fixture
def at_most(monkeypatch):
    monkeypatch.setattr(by_reason, "MAX_COUNTED", 2)
    monkeypatch.setattr(by_reason, "MAX_BATCHES", 2)


@pytest.mark.usefixtures("at_most")
def test_all_but_one_reason_are_counted_so_the_others_are_its_people(sync_row, deliver):
    deliver("not_synced", ["no_identifier"] * 5 + ["no_consent"] * 2)

    reasons = sync.reasons([sync_row.pk])

    assert reasons == {"not_synced": {"no_identifier": 5, "no_consent": 2}}
    assert reasons.uncounted == {}


@pytest.mark.usefixtures("at_most")
def test_two_reasons_with_too_many_people_leave_a_rest(sync_row, deliver):
    deliver("not_synced", ["no_identifier"] * 5 + ["no_consent"] * 4 + ["invalid_value"])

    reasons = sync.reasons([sync_row.pk])

    assert reasons == {"not_synced": {"no_identifier": 2, "no_consent": 2, "invalid_value": 1}}
    assert reasons.uncounted == {"not_synced": 5}


@pytest.mark.usefixtures("at_most")
def test_only_the_newest_batches_are_looked_at(sync_row):
    now, audience = timezone.now(), sync_row.audience
    for seq, code in enumerate(["40002", "50000", "50000"]):
        Batch.objects.create(
            sync=sync_row,
            audience=audience,
            ad_account=audience.ad_account,
            action="add",
            seq=seq,
            n=3,
            state="errored",
            last_code=code,
            created_at=now,
            due_at=now,
        )
    with tally.atomic(now=now) as moves:
        moves.add(sync_row.pk, entered=9, errored=9)

    reasons = sync.reasons([sync_row.pk])

    assert reasons == {"errored": {"50000": 6}}
    assert reasons.uncounted == {"errored": 3}


@pytest.mark.usefixtures("at_most")
def test_the_pages_say_that_not_all_are_counted(bob_editor, sync_row, deliver):
    step = Step.objects.create(canvas=bob_editor.canvas, kind="audience_sync", sync=sync_row)
    step.syncs.add(sync_row)
    StepTally.objects.create(step=step, entered=9, exited=9)
    deliver("errored", ["40002"] * 5 + ["50000"] * 4)

    page = " ".join(bob_editor.get("step_numbers", step.pk).content.decode().split())
    people = bob_editor.get(
        "step_people", step.pk, number="errored", reason="40002"
    ).content.decode()
    words = " ".join(people.split())

    assert 'data-sum="errored">9</span>' in page
    assert page.count("at least") == 2
    assert "5 more people are not counted by reason" in page
    assert "Retry all of them" in page
    assert "at least 2 people" in words
    assert people.count('name="delivery"') == 5
