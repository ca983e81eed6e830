"""A TallyDay has the counts when its day began: with the hours since, they give the tally."""

from datetime import UTC, date, datetime, timedelta
from importlib import import_module

import pytest
from django.apps import apps
from django.db.models import Sum

from partners.models import Audience, Sync, Tally, TallyDay, TallyHour
from partners.models.tallies import COLUMNS
from partners.numbers import days
from tests.canvases.counting import count
from tests.support import builder

pytestmark = pytest.mark.django_db
FIRST = date(2026, 3, 1)
# Day and hour of each change, in commit order; they jump because clocks of machines differ.
TIMES = [(2, 22), (2, 23), (3, 0), (2, 23), (5, 9), (4, 8), (5, 9), (4, 7), (1, 3), (5, 10), (1, 3)]


@pytest.fixture
def audience(acme):
    account = builder.add_account(builder.connect(acme))
    return Audience.objects.create(ad_account=account, remote_id="1", name="winback")


@pytest.fixture
def sync(audience):
    return builder.make_sync(audience)


def change(sync, times):
    for n, (day, hour) in enumerate(times, start=1):
        count(
            sync,
            at=datetime(2026, 3, day, hour, 40, tzinfo=UTC),
            entered=n + 1,
            synced=n,
            errored=1,
        )


def changes_by_hours(day):
    sums = TallyHour.objects.filter(hour__gte=datetime(*day.timetuple()[:3], tzinfo=UTC))
    return list(sums.values_list("sync").annotate(*(Sum(name) for name in COLUMNS)))


def changes_by_days(day):
    rows = Sync.objects.values_list("pk", *days.CURRENT, days.counts_at(day))
    return [
        (pk, *(n - before for n, before in zip(counts_now, counts_then, strict=True)))
        for pk, *counts_now, counts_then in rows
        if counts_then is not None
    ]


def rows():
    return set(TallyDay.objects.values_list("sync", "day", *COLUMNS))


@pytest.mark.parametrize("times", [sorted(TIMES), TIMES])
def test_the_changes_since_a_day_equal_its_hours_and_later_ones(sync, times):
    change(sync, times)

    for n in range(7):
        day = FIRST + timedelta(days=n)
        assert changes_by_days(day) == changes_by_hours(day)
    assert len(changes_by_days(FIRST)) == 1
    assert TallyDay.objects.count() == 5
    assert Tally.objects.get().entered == sum(n + 1 for n in range(1, 12))


def test_the_migration_makes_the_same_rows_from_the_hours(sync, audience):
    change(sync, TIMES)
    change(builder.make_sync(audience), TIMES[:3])
    rows_before = rows()
    TallyDay.objects.filter(day=date(2026, 3, 5)).delete()

    import_module("partners.migrations.0033_fill_tally_days").fill(apps, None)

    assert rows() == rows_before
    assert len(rows_before) == 7
