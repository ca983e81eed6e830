"""GET /audiences and GET /deliveries: audiences with counts, and the deliveries of one person."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, UserAlias
from partners import sync
from partners.models import AdAccount, Audience, Connection, Sync
from tests.support import profiles


def _audience(group, remote_id="1001"):
    connection = Connection(partner="tiktok", app_group=group, connected_at=timezone.now())
    connection.set_token("a-token")
    connection.save()
    account = AdAccount.objects.create(connection=connection, remote_id="7000", name="EU")
    return Audience.objects.create(
        ad_account=account, remote_id=remote_id, name="winback", size=1200
    )


def _person(group, external_id, email=""):
    row = Profile(app_group=group, external_id=external_id, email=email)
    profiles.set_hashes(row, region="DE")
    row.save()
    return row


def _sent(group, audience, *people):
    row = Sync.objects.create(
        app_group=group,
        audience=audience,
        action="add",
        kinds=["email"],
        label="Cart: winback",
        url="/g/acme/canvases/1/",
    )
    crowd = Profile.objects.filter(pk__in=[person.pk for person in people])
    sync.enqueue(row, crowd.values_list("pk", "pk"), now=timezone.now())
    return row


@pytest.fixture
def ann(acme):
    return _person(acme, "ann", "ann@example.org")


@pytest.fixture
def bare(acme):
    return _person(acme, "bare")


def test_audiences_are_listed_with_counts(api, acme, other_group, ann, bare):
    audience = _audience(acme)
    _sent(acme, audience, ann, bare)
    _audience(other_group, "2002")
    (row,) = api.get("/audiences").json()["audiences"]
    assert (row["remote_id"], row["name"], row["size"], row["ad_account"]["id"]) == (
        "1001",
        "winback",
        1200,
        "7000",
    )
    assert (row["users"]["entered"], row["users"]["pending"], row["users"]["not_synced"]) == (
        2,
        1,
        1,
    )


def test_deliveries_of_one_person(api, acme, ann, bare):
    _sent(acme, _audience(acme), ann, bare)
    (row,) = api.get("/deliveries", {"external_id": "ann"}).json()["deliveries"]
    assert (row["state"], row["action"], row["reason"]) == ("pending", "add", None)
    assert (row["audience"]["remote_id"], row["asked_by"]["name"]) == ("1001", "Cart: winback")
    (not_sent,) = api.get("/deliveries", {"external_id": "bare"}).json()["deliveries"]
    assert (not_sent["state"], not_sent["reason"]) == ("not_synced", "no_identifier")


def test_a_person_is_found_by_any_identifier(api, acme, ann):
    _sent(acme, _audience(acme), ann)
    UserAlias.objects.create(app_group=acme, profile=ann, label="shop", name="a1")
    names = [
        {"external_id": "ann"},
        {"braze_id": ann.braze_id},
        {"alias_label": "shop", "alias_name": "a1"},
    ]
    assert [len(api.get("/deliveries", name).json()["deliveries"]) for name in names] == [1, 1, 1]


def test_deliveries_are_paged(api, acme, ann):
    audience = _audience(acme)
    for _n in range(3):
        _sent(acme, audience, ann)
    newest = api.get("/deliveries", {"external_id": "ann"}).json()["deliveries"]
    older = api.get("/deliveries", {"external_id": "ann", "before": newest[0]["id"]}).json()[
        "deliveries"
    ]
    assert older == newest[1:]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"external_id": "nobody"},
        {"braze_id": "x"},
        {"braze_id": "f" * 24},
        {"alias_label": "shop"},
        {"email": "ann@example.org"},
        {"external_id": "ann", "braze_id": "0" * 24},
        {"external_id": "ann", "before": "x"},
    ],
)
def test_an_invalid_identifier_is_rejected_without_an_echo(api, ann, query):
    answer = api.get("/deliveries", query)
    assert answer.status_code == 400
    assert "ann@example.org" not in answer.content.decode()


def test_a_person_of_another_group_is_unknown(api, acme, other_group):
    eve = _person(other_group, "eve", "eve@example.org")
    assert api.get("/deliveries", {"external_id": "eve"}).status_code == 400
    assert api.get("/deliveries", {"braze_id": eve.braze_id}).status_code == 400
