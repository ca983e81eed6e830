"""The laws are read in one snapshot that neither sees later writes nor keeps anybody from writing."""

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


def test_others_write_and_the_reader_does_not_see_it():
    with laws._snapshot(), ThreadPoolExecutor(1) as pool:
        assert not Count.objects.exists()
        pool.submit(write).result(timeout=10)
        assert not Count.objects.exists()
    assert Count.objects.get().n == 1


def test_reading_leaves_no_transaction_behind():
    assert laws.broken(now=timezone.now()) == []
    Count.add("here", 1)
    assert Count.objects.get().n == 1
