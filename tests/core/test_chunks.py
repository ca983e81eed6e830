"""Rows in bounded chunks and pages, by their keys."""

import pytest

from audiencesync.core import chunks
from audiencesync.people.models import Profile
from partners.models import Count


@pytest.fixture
def rows(db):
    Count.objects.bulk_create(Count(name=f"{n:02}", n=n) for n in range(7))
    return Count.objects.all()


def names(page):
    return [row.name for row in page.rows]


def test_pages_go_down_by_the_keys_and_up_again(rows):
    first = chunks.page(rows, 3, keys=("n",))
    assert names(first) == ["06", "05", "04"]
    assert (first.has_newer, first.has_older) == (False, True)
    second = chunks.page(rows, 3, keys=("n",), older_than=(4,))
    assert names(second) == ["03", "02", "01"]
    assert (second.has_newer, second.has_older) == (True, True)
    last = chunks.page(rows, 3, keys=("n",), older_than=(1,))
    assert names(last) == ["00"]
    assert (last.has_newer, last.has_older) == (True, False)
    back = chunks.page(rows, 3, keys=("n",), newer_than=(3,))
    assert names(back) == ["06", "05", "04"]
    assert (back.has_newer, back.has_older) == (False, True)


def test_a_walk_hands_over_each_row_once_although_rows_change(db, acme):
    people = Profile.objects.bulk_create(Profile(app_group=acme) for _ in range(7))
    seen = []
    for some in chunks.walk(Profile.objects.filter(country=""), 3):
        ids = list(some.order_by("pk").values_list("pk", flat=True))
        assert len(ids) <= 3
        seen += ids
        some.update(country="DE")
    assert seen == [person.pk for person in people]


def test_rows_that_are_no_models_are_read_by_their_key(db, acme):
    people = Profile.objects.bulk_create(Profile(app_group=acme) for _ in range(7))
    rows = Profile.objects.values_list("country", "pk").order_by("-pk")
    chunk_list = list(chunks.read(rows, 3, after=people[0].pk, key=lambda row: row[1]))
    assert [[pk for _country, pk in some] for some in chunk_list] == [
        [person.pk for person in some] for some in (people[1:4], people[4:])
    ]
