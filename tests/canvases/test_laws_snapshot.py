"""The laws are read in one snapshot, which blocks no writer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from canvases import laws
from partners.models import Count

pytestmark = pytest.mark.django_db(transaction=True)


def write():
    Count.add("elsewhere", 1)
    connection.close()


def test_a_snapshot_does_not_see_concurrent_writes():
    with laws._snapshot(), ThreadPoolExecutor(1) as pool:
        assert not Count.objects.exists()
        pool.submit(write).result(timeout=60)
        assert not Count.objects.exists()
    assert Count.objects.get().n == 1


def test_reading_the_laws_leaves_no_open_transaction():
    assert laws.broken(now=timezone.now()) == []
    Count.add("here", 1)
    assert Count.objects.get().n == 1
