"""Retry beside entering people, a settled batch beside a disconnect: whoever holds rows never waits in a circle."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from canvases import laws
from partners import connecting, settle, sync, tally
from partners.models import Batch, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def beside(held, *works):
    """Do these works at once, each begun while ``held`` is locked; answers what went wrong."""
    errors = []

    def run(work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a thread meets belongs to the test
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    with transaction.atomic():
        Batch.objects.select_for_update().get(pk=held.pk)
        for thread in threads:
            thread.start()
            thread.join(0.7)  # it waits for the batch by now, for another one, or for the whole database
    for thread in threads:
        thread.join(30)
    return errors


def end(batch, state):
    with tally.gathered(now=timezone.now()):
        mine = Batch.objects.select_for_update().filter(pk=batch.pk, state=Outcome.PENDING)
        settle.finish(list(mine), state, now=timezone.now())


def copy(batch, **values):
    batch = Batch.objects.get(pk=batch.pk)
    batch.pk, batch.n = None, 0
    for name, value in values.items():
        setattr(batch, name, value)
    batch.save()
    return batch


def test_retry_beside_who_is_removed(world):
    audience, people = world.audience(), world.people(4)
    one, two, remove = world.sync(audience), world.sync(audience), world.sync(audience, "remove")
    world.enter(one, people)
    world.enter(two, people)
    first, second = Batch.objects.order_by("pk")
    errors = beside(
        first,
        lambda: world.enter(remove, people),
        lambda: end(second, Outcome.ERRORED),
        lambda: sync.retry_errored(two, now=timezone.now()),
    )
    assert errors == []
    assert laws.broken(now=timezone.now()) == []


def test_a_learned_cap_beside_a_disconnect(world, alice):
    world.enter(world.sync(), world.people(2))
    batch = Batch.objects.get()
    Batch.objects.update(refused_n=8)
    copy(batch, state=Outcome.SYNCED)
    held = copy(batch, waits_for=batch)
    errors = beside(
        held,
        lambda: end(batch, Outcome.SYNCED),
        lambda: connecting.disconnect(world.eu, discard=True, by=alice, now=timezone.now()),
    )
    assert errors == []
    world.eu.refresh_from_db()
    assert not world.eu.is_chosen
    assert laws.broken(now=timezone.now()) == []
