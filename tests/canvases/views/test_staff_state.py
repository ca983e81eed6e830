"""Staff see the state of the installation above the table."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Erasure
from audiencesync.people.models.imports import Import
from canvases import metrics
from canvases.numbers import installation
from partners.incidents import reconcile
from partners.models import Connection, Push, PushShare
from tests.support import builder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]


def read():
    return installation.read(now=timezone.now())


def push(account, people, *, code="0", ago=0):
    at = timezone.now() - timedelta(seconds=ago)
    return Push.objects.create(
        ad_account=account, action="add", people=people, ids=people, at=at, ms=9, code=code
    )


def share(call, sync, *, first, accepted):
    PushShare.objects.create(
        push=call, sync=sync, people=call.people, first_people=first, first_accepted=accepted
    )


def test_people_of_todays_first_tries_who_were_accepted(eu, winback, acme):
    sync = builder.make_sync(winback)
    share(push(eu, 500, code="40100", ago=86_400), sync, first=500, accepted=0)
    share(push(eu, 900), sync, first=900, accepted=900)
    share(push(eu, 100, code="20001"), sync, first=100, accepted=90)
    share(push(eu, 300), sync, first=0, accepted=0)  # tried before

    state = read()

    assert (state.first_try, state.first_try_of) == (99.0, {acme.pk: 99.0})


def test_requests_of_the_last_seconds_are_compared_with_the_limit(eu):
    for _n in range(20):
        push(eu, 1)
    push(eu, 1, ago=60)

    [used] = read().used

    assert (used.partner, used.lane, used.per_second) == ("TikTok", "", 2.0)
    assert used.limit == 48


def test_groups_in_trouble_are_those_with_an_open_incident(eu, winback, acme):
    AppGroup.objects.create(name="Other", slug="other")
    builder.make_sync(winback)
    assert (read().n_in_trouble, read().n_groups) == (0, 2)
    Connection.objects.update(parked_by="token", parked_since=timezone.now())
    reconcile.run(now=timezone.now())
    assert read().n_in_trouble == 1


def test_other_queues_are_named(signed_in, alice, acme):
    alice.is_staff = True
    alice.save()
    Import.objects.create(app_group=acme, file_name="a.csv", size=1, state="running")
    at = timezone.now() - timedelta(minutes=4)
    Erasure.objects.create(app_group=acme, asked_by="x", requested_at=at)

    state = read()

    assert (state.n_imports, state.n_erasures, state.oldest_wait) == (1, 1, at)


@pytest.mark.parametrize(("broken", "shown"), [(None, "–"), (0, "hold"), (3, "3 broken")])
def test_the_page_says_whether_the_laws_hold(
    signed_in, alice, canvas, bob_editor, monkeypatch, broken, shown
):
    alice.is_staff = True
    alice.save()
    bob_editor.add_step("delay")
    monkeypatch.setattr(metrics.cache, "broken", broken)

    page = " ".join(signed_in(alice).get("/analytics/").content.decode().split())

    assert shown in page.split("Laws of counting")[1].split("</dd>")[0]


def test_members_see_no_state_of_the_installation(bob_editor, canvas):
    bob_editor.add_step("delay")
    assert "Laws of counting" not in bob_editor.client.get("/g/acme/analytics/").content.decode()


def test_the_queries_do_not_grow(eu, winback):
    sync = builder.make_sync(winback)
    share(push(eu, 5), sync, first=5, accepted=5)
    read()
    with CaptureQueriesContext(connection) as few:
        read()
    for n in range(5):
        AppGroup.objects.create(name=f"G{n}", slug=f"g{n}")
        share(push(eu, 5), sync, first=5, accepted=5)
    with CaptureQueriesContext(connection) as many:
        read()
    assert len(many) == len(few) == 7
