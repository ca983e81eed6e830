"""The PyPI package braze-client, unmodified, against a running server."""

import time

import pytest
from braze.client import BrazeClient, BrazeClientError, BrazeRateLimitError
from requests.adapters import HTTPAdapter

from audiencesync.people.models import Event, Profile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]


class Patient(HTTPAdapter):
    """Waits longer than the client's two seconds for an answer: the machine may be busy."""

    def send(self, request, **how):
        return super().send(request, **how | {"timeout": 120})


def patient_client(key, url, **how):
    client = BrazeClient(key, api_url=url, **how)
    client.session.mount("http://", Patient())
    return client


@pytest.fixture(params=[True, False], ids=["header", "body"])
def client(request, live_server, acme, issue_key):
    client = patient_client(issue_key(acme), live_server.url, use_auth_header=request.param)
    yield client
    client.session.close()  # so that the server's thread ends and closes its database connection


def test_track_creates_profiles(client):
    answer = client.user_track(
        attributes=[
            {
                "external_id": "1",
                "first_name": "Max",
                "email": "max@example.org",
                "status": "Active",
            }
        ],
        events=[
            {
                "external_id": "1",
                "name": "cart",
                "time": "2026-11-01T10:00:00Z",
                "properties": {"n": 1},
            }
        ],
        purchases=[
            {
                "external_id": "1",
                "product_id": "x",
                "currency": "EUR",
                "price": 1,
                "time": "2026-11-01T10:00:00Z",
            }
        ],
    )
    assert (answer["success"], answer["status_code"], answer["errors"]) == (True, 201, [])
    assert (
        answer["attributes_processed"],
        answer["events_processed"],
        answer["purchases_processed"],
    ) == (1, 1, 1)
    assert Profile.objects.get().attributes == {"first_name": "Max", "status": "Active"}
    assert Event.objects.count() == 2


def test_a_call_with_one_array_sends_the_others_empty(client):
    assert client.user_track(attributes=[{"external_id": "1"}])["success"]


def test_invalid_objects_are_reported_and_the_others_tracked(client):
    answer = client.user_track(
        attributes=[{"external_id": "1"}, {"external_id": "2", "email": "nobody"}]
    )
    assert not answer["success"]
    assert [(error["index"], error["type"]) for error in answer["errors"]] == [
        (1, "EMAIL_BAD_FORMAT")
    ]
    assert Profile.objects.count() == 2


def test_numeric_ids_are_accepted(client):
    assert client.user_track(attributes=[{"external_id": 1}, {"external_id": 2}])["success"]
    assert client.user_delete(external_ids=[1, 2])["deleted"] == 2


def test_an_api_url_may_end_with_a_slash(live_server, acme, issue_key):
    client = patient_client(issue_key(acme), f"{live_server.url}/")
    with client.session:
        assert client.user_track(attributes=[{"external_id": "1"}])["success"]


def test_a_wrong_key_is_refused(live_server, db):
    client = patient_client("wrong", live_server.url)
    with client.session, pytest.raises(BrazeClientError):
        client.user_track(attributes=[{"external_id": "1"}])


def test_a_rate_limit_has_the_timestamp_of_its_end(client, settings):
    settings.API_LIMITS = settings.API_LIMITS | {"track": (0, 86400.0 * 365)}
    with pytest.raises(BrazeRateLimitError) as caught:
        client.user_track(attributes=[{"external_id": "1"}])
    assert caught.value.reset_epoch_s > time.time()


def test_unknown_endpoints_are_reported(client):
    with pytest.raises(BrazeClientError, match="no such address"):
        client.campaign_trigger_schedule_create("c", {"time": "2026-11-01T10:00:00Z"})


def test_delete_erases_a_profile(client):
    client.user_track(attributes=[{"external_id": "1"}, {"external_id": "2"}])
    answer = client.user_delete(external_ids=["1"])
    assert (answer["success"], answer["deleted"]) == (True, 1)
    assert list(Profile.objects.filter(erased_at=None).values_list("external_id", flat=True)) == [
        "2"
    ]


def test_export_returns_profiles(client):
    client.user_track(attributes=[{"external_id": "1", "email": "max@example.org", "plan": "gold"}])
    for wanted in ({"external_ids": ["1"]}, {"email": "max@example.org"}):
        answer = client.user_export(
            **wanted, fields_to_export=["external_id", "email", "custom_attributes"]
        )
        assert answer["success"]
        (user,) = answer["users"]
        assert (user["external_id"], user["email"]) == ("1", "max@example.org")
