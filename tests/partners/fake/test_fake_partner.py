"""The queue with a partner that differs from TikTok wherever the contract allows it."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from canvases.privacy import erase
from partners.audiences import AudienceNameError
from partners.connections import connect, refresh
from partners.models import Batch, Budget, Connection, Lane, OAuthState, Push, SpentToken

pytestmark = pytest.mark.thorough


def test_connect_stores_a_token_that_expires(world):
    assert world.connect().status_code == 302
    row = world.connection
    assert row.token in world.remote.access
    assert row.refresh_token in world.remote.refreshing
    assert row.token_expires_at > timezone.now()
    assert [account.remote_id for account in row.ad_accounts.all()] == [world.remote.ad_account]


def test_a_refused_authorisation_keeps_neither_token_nor_refresh_token(world, fake, monkeypatch):
    monkeypatch.setattr(type(fake), "missing_permissions", lambda self, token: ["Segments"])
    assert world.come_back().status_code == 400
    assert world.remote.refreshing == set()
    state = OAuthState.objects.get()
    assert (state.token_sealed, state.refresh_sealed) == ("", "")


def test_create_an_audience_with_a_uuid(connected):
    audience = connected.create_audience("winback")
    assert len(audience.remote_id) == 36
    assert connected.remote.segments[audience.remote_id].name == "winback"


def test_the_limit_of_names_is_the_partners(connected):
    with pytest.raises(AudienceNameError, match="21 characters, FakeAds takes 20"):
        connected.create_audience("x" * 21)


def test_the_limit_of_audiences_is_the_partners(connected):
    for n in range(3):
        connected.create_audience(f"a{n}")
    with pytest.raises(AudienceNameError, match="FakeAds allows 3 audiences"):
        connected.create_audience("a3")


def test_push_adds_a_person(connected):
    asked = connected.create_sync(connected.create_audience())
    [person] = connected.create_people()
    connected.enter(asked, [person])
    connected.flush()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}
    assert connected.members(asked.audience) == {person.email_sha256.hex()}


def test_a_removal_is_a_delete_on_the_segment(connected):
    asked = connected.create_sync(connected.create_audience())
    people = connected.create_people(2)
    connected.enter(asked, people)
    connected.flush()
    removal = connected.create_sync(asked.audience, action="remove")
    connected.enter(removal, people[:1])
    connected.flush()
    method, path, _body = connected.remote.pushes()[-1]
    assert (method, path) == ("DELETE", f"/segments/{asked.audience.remote_id}/users")
    assert connected.members(asked.audience) == {people[1].email_sha256.hex()}


def test_a_request_carries_one_audience_and_at_most_100_people(connected):
    syncs = [connected.create_sync(connected.create_audience(name)) for name in ("a", "b")]
    for asked in syncs:
        connected.enter(asked, connected.create_people(150))
    connected.drain()
    sizes = [(path, len(json.loads(body)["data"])) for _, path, body in connected.remote.pushes()]
    assert sorted(n for _, n in sizes) == [50, 50, 100, 100]
    assert len({path for path, _ in sizes}) == 2


def test_lane_and_budget_name_the_partner(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.flush()
    lane = f"fake:{connected.remote.ad_account}"
    assert set(Lane.objects.values_list("key", flat=True)) == {lane}
    assert Budget.objects.filter(key=f"lane:{lane}").exists()


def test_a_server_error_is_tried_again_and_its_text_code_is_kept(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.fail("/users", 500, "E5000_BACKEND_UNAVAILABLE_FOR_NOW")
    connected.flush()
    assert Batch.objects.get().last_code == "E5000_BACKEND_UNAVAILABLE_FOR_NOW"
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}
    codes = Push.objects.order_by("pk").values_list("code", flat=True)
    assert list(codes) == ["E5000_BACKEND_UNAVAILABLE_FOR_NOW", "0"]


def test_an_unknown_code_of_any_length_is_cut_and_tried_again(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.fail("/users", 422, "E" * 60)
    connected.flush()
    assert connected.counts(asked) == {"entered": 1, "pending": 1}
    assert Batch.objects.get().last_code == "E" * 40
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}


def test_a_throttle_answer_slows_the_ad_account(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.fail("/users", 429, "E2000")
    connected.flush()
    lane = f"lane:fake:{connected.remote.ad_account}"
    assert Push.objects.first().code == "E2000"
    Budget.objects.filter(key=lane).update(parked_us=0)
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}


def test_bad_content_isolates_the_person(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.fail("/users", 400, "E4000", times=3)
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "errored": 1}


def test_a_refused_ad_account_is_parked(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.fail("/users", 403, "E3002")
    connected.flush()
    account = connected.connection.ad_accounts.get()
    assert (account.parked_by, account.parked_code) == ("ad_account", "E3002")


def test_an_audience_that_is_gone_is_parked(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.segments.clear()
    connected.flush()
    asked.audience.refresh_from_db()
    assert (asked.audience.parked_by, asked.audience.parked_code) == ("gone", "E4004")


def test_a_refused_token_parks_the_connection(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.expire_access()
    connected.flush()
    assert (connected.connection.parked_by, connected.connection.parked_code) == ("token", "E1001")


def test_a_token_that_expires_soon_is_refreshed(connected):
    former = connected.connection
    now = former.token_expires_at - timedelta(minutes=1)
    refresh.refresh_all(now=now)
    row = connected.connection
    assert row.token != former.token
    assert row.refresh_token != former.refresh_token
    assert row.token_expires_at >= former.token_expires_at


def test_a_fresh_token_is_not_refreshed(connected):
    former = connected.connection
    refresh.refresh_all(now=timezone.now())
    assert connected.connection.token_sealed == former.token_sealed


def test_an_expired_token_is_refreshed_before_a_call(connected):
    connected.remote.expire_access()
    Connection.objects.update(token_expires_at=timezone.now() - timedelta(hours=1))
    assert len(connected.create_audience().remote_id) == 36


def test_a_refused_refresh_parks_the_connection(connected):
    connected.remote.refreshing.clear()
    refresh.refresh_all(now=connected.connection.token_expires_at)
    assert (connected.connection.parked_by, connected.connection.parked_code) == ("token", "E1003")


def test_a_refresh_frees_a_parked_connection(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    connected.remote.expire_access()
    connected.flush()
    refresh.refresh_all(now=connected.connection.token_expires_at)
    assert connected.connection.parked_by == ""
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}


def test_disconnect_revokes_the_grant_and_keeps_people_waiting(connected):
    asked = connected.create_sync(connected.create_audience())
    connected.enter(asked, connected.create_people())
    done = connect.disconnect(
        connected.connection, discard=False, by=connected.admin, now=timezone.now()
    )
    assert done.n_discarded == 0
    assert connected.remote.refreshing == set()
    assert not SpentToken.objects.exists()
    assert connected.connection.refresh_sealed == ""
    connected.connect()
    connected.drain()
    assert connected.counts(asked) == {"entered": 1, "synced": 1}


def test_erase_removes_the_person_from_the_segment(connected):
    asked = connected.create_sync(connected.create_audience())
    people = connected.create_people(2)
    connected.enter(asked, people)
    connected.flush()
    erase.erase(connected.group, [people[0].pk], asked_by="alice", now=timezone.now())
    erase.proceed(now=timezone.now())
    connected.drain()
    assert connected.members(asked.audience) == {people[1].email_sha256.hex()}
