"""Put bugs into the queue code of a scenario's processes, to prove that the harness finds bugs.

Each bug is a patch; its docstring is its name, which docs/reliability.md lists.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import orjson
from django.db import transaction

from partners.models import Batch, Outcome
from partners.queue import (
    collect,
    compensation,
    enqueue,
    flush,
    settle,
    supersede,
    tally,
    transitions,
)
from partners.tiktok import client
from tests.system.crash import scenarios_queue as queue
from tests.system.crash.scene import Scenario


@dataclass(frozen=True)
class Mutant:
    """A bug, and the scenario in which the harness must see it."""

    name: str
    patch: Callable[[], None]
    scenario: Scenario
    mode: str
    dies_of: tuple[str, ...] = ()  # errors that the bug causes; another error is not its evidence


MUTANTS: list[Mutant] = []


def seeded(scenario: Scenario, mode: str, dies_of: tuple[str, ...] = ()) -> Callable:
    """Add the decorated patch to the list; its docstring is its name."""

    def add(patch: Callable[[], None]) -> Callable[[], None]:
        MUTANTS.append(Mutant(patch.__doc__ or "", patch, scenario, mode, dies_of))
        return patch

    return add


@seeded(queue.FLUSH, "freeze", dies_of=("tally_positive",))  # the constraint of the database
def count_sent_rows():
    """the rows that were sent are counted, not the rows that changed"""

    def synced(answer, *, now):
        with tally.atomic(now=now) as moves:
            mine = Batch.objects.filter(lease=answer.parcel.request.lease, state=Outcome.PENDING)
            mine.update(state=Outcome.SYNCED, lease="", lease_until=None)
            for batch in answer.parcel.request.batches:
                moves.shift(batch.sync_id, batch.n, to="synced")

    settle._apply_success = synced


@seeded(queue.FLUSH, "kill")
def count_after_commit():
    """the tallies move after the commit"""

    @contextmanager
    def atomic(*, now) -> Iterator[tally.Changes]:
        outer = tally._open_changes.get()
        if outer is not None:
            yield outer
            return
        changes = tally.Changes()
        token = tally._open_changes.set(changes)
        try:
            with transaction.atomic():
                yield changes
        finally:
            tally._open_changes.reset(token)
        with transaction.atomic():
            tally._apply(changes, now=now)

    tally.atomic = atomic


@seeded(queue.POISON, "kill")
def http_200_is_success():
    """HTTP 200 counts as success, whatever code the body has"""
    unwrap = client.unwrap

    def trusting(answer, **how):
        return orjson.loads(answer.body) if answer.status == 200 else unwrap(answer, **how)

    client.unwrap = trusting


@seeded(queue.ENQUEUE, "kill")
def insert_twice():
    """a repeated task inserts its people again"""
    before, key, after = enqueue._INSERT.partition("assigned.entry_key")
    assert key, "the statement has another name for the key"
    enqueue._INSERT = f"{before}{key} + 1000000 * (SELECT count(*) FROM {{delivery}}){after}"


@seeded(queue.FLUSH, "kill")
def mark_before_post():
    """batches are marked synced before the call"""
    send = flush.send

    def marking(parcel, *, at):
        with tally.atomic(now=parcel.request.batches[0].due_at):
            transitions.finish(
                transitions.still_leased(parcel.request),
                Outcome.SYNCED,
                now=parcel.request.batches[0].due_at,
            )
        return send(parcel, at=at)

    flush.send = marking


@seeded(queue.FLUSH, "freeze", dies_of=("tally_positive",))  # the constraint of the database
def ignore_the_lease():
    """an answer is settled without checking the lease"""
    settle._was_late = lambda request: False
    transitions.still_leased = lambda request: list(
        Batch.objects.filter(pk__in=[batch.pk for batch in request.batches])
    )


@seeded(queue.ENQUEUE, "kill")
def keep_opposite_deliveries():
    """a waiting delivery is not superseded by its opposite, on enqueue or on lease"""
    supersede.cancel_opposite = lambda sync, people, *, now: None
    supersede.cancel_superseded = lambda batches, *, now: None


@seeded(queue.UNDER_WAY, "freeze")
def ignore_the_order():
    """a removal does not wait for the add that is under way"""
    supersede.oldest_in_flight = lambda lane: {}


@seeded(queue.UNDER_WAY_AND_FAILING, "freeze")
def release_without_superseding():
    """a batch is retried without checking for newer deliveries"""
    supersede.cancel_superseded = lambda batches, *, now: None


@seeded(queue.OVERTAKEN, "freeze")
def no_repair():
    """a late call is not repaired"""
    compensation.repair_late_push = lambda sent, *, now: 0


@seeded(queue.RETRY, "kill")
def retry_whatever_came_later():
    """Retry adds people who were removed since"""
    supersede.no_longer_wanted = lambda sync, deliveries: []


@seeded(queue.PARTIAL, "kill")
def partial_is_success():
    """a partial success counts as success for all people"""
    settle._apply_partial = lambda answer, error, *, now: settle._apply_success(answer, now=now)


@seeded(queue.FLUSH, "freeze")
def lease_what_is_not_free():
    """batches are leased without checking that they are free"""

    def take(request, *, now):
        ids = [batch.pk for batch in request.batches]
        until = collect._lease_end(now)
        return bool(Batch.objects.filter(pk__in=ids).update(lease=request.lease, lease_until=until))

    collect.lease_batches = take


@seeded(queue.FLUSH, "kill")
def never_reclaim():
    """leases of dead workers are never reclaimed"""
    collect.reclaim = lambda *, now: 0
