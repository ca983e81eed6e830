"""The forecast when all people are sent, from the number of requests and their pace."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from canvases.models import Step
from partners.models import Audience, Batch, Budget, Push, Tally
from partners.numbers import delays, pace
from partners.queue import budget, collect
from tests.support import builder

pytestmark = pytest.mark.django_db

CAP = 10_000  # people in a request
NOW = timezone.now().replace(microsecond=0)


@pytest.fixture
def to_sync(winback):
    return builder.make_sync(winback)


def batch(to_sync, n, *, at=NOW, **fields):
    values = {"created_at": at, "due_at": at, "state": "pending", "seq": Batch.objects.count()}
    place = {"audience": to_sync.audience, "ad_account": to_sync.audience.ad_account}
    return Batch.objects.create(
        sync=to_sync, action="add", kinds=to_sync.kinds, n=n, **(place | values | fields)
    )


def sent(to_sync, n, *, seconds):
    """Record ``n`` requests, spread evenly over the last ``seconds``."""
    Push.objects.bulk_create(
        Push(
            ad_account=to_sync.audience.ad_account,
            action="add",
            people=1,
            ids=1,
            at=NOW - timedelta(seconds=seconds * (place + 0.5) / n),
            ms=100,
            code="0",
        )
        for place in range(n)
    )


def test_there_is_no_pace_if_no_one_waits(to_sync):
    assert pace.of_sync(to_sync, now=NOW) is None


def test_the_pace_is_that_of_the_last_minute(to_sync):
    batch(to_sync, CAP, at=NOW - timedelta(minutes=5))
    sent(to_sync, 120, seconds=60)

    assert pace.of_sync(to_sync, now=NOW).per_second == pytest.approx(2)


def test_requests_before_people_waited_say_nothing(to_sync):
    batch(to_sync, CAP, at=NOW - timedelta(seconds=10))
    sent(to_sync, 60, seconds=60)

    assert pace.of_sync(to_sync, now=NOW).per_second == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize(
    ("sizes", "requests"),
    [([CAP] * 6, 6), ([6000] * 6, 6), ([100] * 200, 2), ([1], 1), ([CAP, 100, 100], 2)],
)
def test_the_end_is_the_requests_divided_by_the_pace(to_sync, sizes, requests):
    for n in sizes:
        batch(to_sync, n, at=NOW - timedelta(minutes=5))
    sent(to_sync, 30, seconds=60)

    sync_pace = pace.of_sync(to_sync, now=NOW)

    assert sync_pace.people == sum(sizes)
    assert sync_pace.done_at - NOW == timedelta(seconds=2 * requests)


def test_the_requests_that_it_counts_are_those_that_the_queue_composes(to_sync):
    for n in (CAP, 6000, 5000, 3000, 100, 100, 1):
        batch(to_sync, n)
    lane = to_sync.audience.ad_account.lane
    composed = collect.plan(lane, most=100, now=NOW)

    sync_pace = pace.of_sync(to_sync, now=NOW)

    assert (sync_pace.done_at - NOW).total_seconds() * sync_pace.per_second == pytest.approx(
        len(composed)
    )


def test_people_of_other_steps_in_the_same_ad_account_go_before(to_sync, winback):
    for _n in range(3):
        batch(builder.make_sync(winback), CAP, at=NOW - timedelta(minutes=6))
    batch(to_sync, CAP, at=NOW - timedelta(minutes=5))
    sent(to_sync, 60, seconds=60)

    sync_pace = pace.of_sync(to_sync, now=NOW)

    assert (sync_pace.people, sync_pace.done_at - NOW) == (CAP, timedelta(seconds=4))


def test_a_back_off_is_waited_for(to_sync):
    later = NOW + timedelta(minutes=20)
    deadline = NOW + timedelta(hours=13)
    batch(to_sync, 5, due_at=later, first_failed_at=NOW, deadline_at=deadline)

    sync_pace = pace.of_sync(to_sync, now=NOW)

    assert (sync_pace.next_at, sync_pace.errored_at, sync_pace.failing_since) == (
        later,
        deadline,
        NOW,
    )
    assert sync_pace.done_at >= later


def test_a_throttled_ad_account_begins_when_its_park_is_over(to_sync):
    batch(to_sync, 5)
    account = to_sync.audience.ad_account
    limit = budget.limit_of(collect.partner_of(account), account.lane)
    at_us = budget.now_us() + 60 * budget.SECOND
    Budget.objects.create(key=limit.key, parked_us=at_us, throttles=3)

    sync_pace = pace.of_sync(to_sync, now=NOW)

    assert sync_pace.next_at.timestamp() == pytest.approx(at_us / budget.SECOND)
    assert sync_pace.done_at > sync_pace.next_at


def test_without_a_measure_the_limit_is_shared_by_the_ad_accounts_that_wait(
    to_sync, connection, settings
):
    settings.SYNC = settings.SYNC | {"requests_per_second": 4.0}
    batch(to_sync, 5)
    alone = pace.of_sync(to_sync, now=NOW).per_second
    account = builder.add_account(connection, "7099", "Other")
    batch(builder.make_sync(account.audiences.create(remote_id="9", name="x")), 5)

    assert pace.of_sync(to_sync, now=NOW).per_second == pytest.approx(alone / 2)


def test_half_and_95_of_100_people_by_their_number(to_sync):
    for seconds, n in ((10, 60), (30, 35), (600, 5)):
        ended = {"state": "synced", "settled_at": NOW + timedelta(seconds=seconds)}
        batch(to_sync, n, **ended)

    delay_of = delays.of_syncs([to_sync])

    assert (delay_of.n, delay_of.median_text, delay_of.percentile_95_text) == (
        100,
        "10 seconds",
        "30 seconds",
    )


def test_the_page_of_a_step_says_since_when_people_are_held(bob_editor, canvas, to_sync):
    deadline = NOW + timedelta(hours=13)
    batch(to_sync, 2759, first_failed_at=NOW, deadline_at=deadline)
    Tally.objects.create(sync=to_sync, entered=2759, pending=2759)
    Audience.objects.filter(pk=to_sync.audience_id).update(gone_at=NOW)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=to_sync)
    step.syncs.add(to_sync)

    page = " ".join(bob_editor.get("step_numbers", step.pk).content.decode().split())

    held = page.split('class="eta is-held" role="alert"')[1].split("</div>")[0]
    assert "Held since" in held
    assert "no longer exists" in held
    assert "Otherwise 2,759 people count as errored." in held
    assert "done about" not in page


def test_the_page_of_a_step_says_when_it_is_done(bob_editor, canvas, to_sync):
    batch(to_sync, CAP, at=NOW - timedelta(seconds=20))
    Tally.objects.create(sync=to_sync, entered=CAP, pending=CAP)
    sent(to_sync, 40, seconds=20)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=to_sync)
    step.syncs.add(to_sync)

    with time_machine.travel(NOW, tick=False):
        page = " ".join(bob_editor.get("step_numbers", step.pk).content.decode().split())

    assert "<b>10,000 waiting</b> · at 2 requests/s done about <b>" in page
