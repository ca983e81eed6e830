"""Large audiences are counted in parts once a day, as of one time."""

from datetime import timedelta
from itertools import count
from types import SimpleNamespace

import pytest
from django.db.models import F
from django.utils import timezone

from audiencesync.people.models import Profile
from partners.audiences import member_counts, sent
from partners.models import AdAccount, Audience, Batch, MemberCount, Outcome, Tally
from tests.support import builder

NOW = timezone.now()
LATER = NOW + timedelta(minutes=10)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    monkeypatch.setattr(member_counts, "MIN_ADDS", 2)
    monkeypatch.setattr(member_counts, "MAX_PEOPLE", 2)


@pytest.fixture
def account(acme):
    return builder.add_account(builder.connect(acme))


@pytest.fixture
def people(make_profile):
    return [make_profile(external_id=name, email=f"{name}@example.com") for name in "abcdef"]


@pytest.fixture
def audience(account, people):
    """An audience with b, e, f and (added again) a; c was removed, d was never accepted."""
    row = Audience.objects.create(ad_account=account, remote_id="1", name="Winback")
    for action, names in (
        *(("add", name) for name in "abc"),
        ("remove", "ac"),
        ("add", "aef"),
        ("remove", "b"),
        ("add", "b"),
    ):
        send(row, action, names)
    send(row, "add", "d", outcome=Outcome.ERRORED)
    send(row, "remove", "e", outcome=Outcome.CANCELLED)
    return row


def send(audience, action, names, *, at=NOW, outcome=Outcome.SYNCED):
    sync = builder.make_sync(audience, action)
    builder.enter(sync, Profile.objects.filter(external_id__in=list(names)))
    Batch.objects.pending().update(state=outcome, settled_at=at)
    Tally.objects.filter(pending__gt=0).update(**{outcome: F("pending"), "pending": 0})


def counts():
    rows = MemberCount.objects.filter(n__isnull=False).order_by("pk")
    return dict(rows.values_list("audience__name", "n"))


def test_a_count_finds_as_many_as_the_list(audience):
    member_counts.count_due(now=LATER)

    assert counts() == {"Winback": 4}
    assert Profile.objects.filter(sent.listed_members_q(audience.pk)).count() == 4
    assert MemberCount.objects.get().counted_at == LATER - member_counts.SETTLE_TIME


def test_people_who_are_no_longer_kept_are_not_counted(audience, people):
    Profile.objects.filter(external_id="e").update(erased_at=NOW)
    Profile.objects.filter(external_id="f").update(merged_into=people[0])
    member_counts.count_due(now=LATER)

    assert counts() == {"Winback": 2}


def test_a_call_ends_with_its_time_and_the_next_goes_on(audience, monkeypatch):
    clock = SimpleNamespace(monotonic=count().__next__)
    monkeypatch.setattr(member_counts, "time", clock)  # a second passes at each look
    so_far = []
    while not counts():
        member_counts.count_due(now=LATER, seconds=1.5)
        so_far.append(MemberCount.objects.get().so_far)

    assert so_far == [0, 0, 3, 4, 4]  # a and b; c; the three at once; b and d; the end
    assert counts() == {"Winback": 4}


def test_what_is_sent_meanwhile_does_not_change_a_count(audience):
    member_counts.count_due(now=LATER, seconds=0)
    assert MemberCount.objects.get().until is not None  # it has begun
    send(audience, "remove", "f", at=LATER)
    send(audience, "add", "ac", at=LATER)
    member_counts.count_due(now=LATER + timedelta(minutes=1))

    assert counts() == {"Winback": 4}


def test_it_counts_again_after_a_day(audience):
    member_counts.count_due(now=LATER)
    send(audience, "remove", "f", at=LATER)
    member_counts.count_due(now=LATER + timedelta(hours=23))
    assert counts() == {"Winback": 4}
    member_counts.count_due(now=LATER + timedelta(days=1))
    assert counts() == {"Winback": 3}


def test_audiences_in_use_are_counted_if_they_are_large(
    audience, account, other_group, make_profile
):
    theirs = builder.add_account(builder.connect(other_group), remote_id="7", name="Theirs")
    former = builder.add_account(account.connection, remote_id="8", name="Former")
    AdAccount.objects.filter(pk=former.pk).update(is_chosen=False)
    for name in "xyz":
        make_profile(app_group=other_group, external_id=name, email=f"{name}@example.com")
    for of, name, names in (
        (account, "Large", "abc"),
        (account, "Small", "a"),
        (account, "Gone", "abc"),
        (former, "Former", "abc"),
        (theirs, "Theirs", "xyz"),
    ):
        row = Audience.objects.create(ad_account=of, remote_id=name, name=name)
        send(row, "add", names)
    Audience.objects.filter(name="Gone").update(gone_at=NOW)
    member_counts.count_due(now=LATER)

    assert counts() == {"Winback": 4, "Large": 3, "Theirs": 3}


def test_an_audience_may_go_while_it_is_counted(audience):
    member_counts.count_due(now=LATER, seconds=0)
    row = MemberCount.objects.get()
    MemberCount.objects.all().delete()

    assert member_counts._count_part(row) is False


def test_a_part_is_counted_once_however_many_count(audience):
    member_counts.count_due(now=LATER, seconds=0)
    row = MemberCount.objects.get()
    assert [member_counts._count_part(row) for _worker in range(2)] == [True, False]
