"""Create exactly one audience at TikTok, whatever fails on the way."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from partners import audiences
from partners.audiences import AudienceNameError, creation
from partners.errors import PartnerError
from partners.models import Audience, Budget
from partners.queue import budget
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough


@pytest.fixture
def eu(alice_flow):
    alice_flow.connect(EU)
    return alice_flow.connection().ad_accounts.get(remote_id=EU)


@pytest.fixture
def create(eu, alice):
    return lambda name="winback", by=alice: audiences.create(eu, name, by=by, now=timezone.now())


@pytest.fixture
def at_tiktok(sandbox):
    """at_tiktok(name) -> the ids of the ad account's audiences of this name at TikTok."""
    return lambda name="winback": [
        audience.id for audience in sandbox.audiences.of(EU) if audience.name == name
    ]


@pytest.fixture
def short_waits(monkeypatch):
    monkeypatch.setattr(creation, "RETRY_SECONDS", (0.01, 0.02))


def test_an_audience_is_created_and_stored(create, at_tiktok, eu, alice):
    audience = create()
    assert at_tiktok() == [audience.remote_id]
    assert (audience.name, audience.created_by, audience.is_appendable) == ("winback", alice, True)
    assert audience in audiences.choices(eu)
    eu.refresh_from_db()
    assert eu.n_audiences == 6


def test_a_second_click_returns_the_same_audience(create, at_tiktok):
    assert create().pk == create().pk
    assert len(at_tiktok()) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_concurrent_clicks_create_one_audience(create, at_tiktok):
    def click(_):
        try:
            return create().pk
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(click, range(4)))) == 1
    assert len(at_tiktok()) == 1


def test_a_used_name_is_rejected(create, at_tiktok):
    with pytest.raises(AudienceNameError, match="exists already. Choose it from the list"):
        create("Newsletter readers")
    assert len(at_tiktok("Newsletter readers")) == 1
    assert not Audience.objects.filter(remote_id="").exists()


def test_a_name_created_elsewhere_since_the_last_list_is_rejected(create, at_tiktok, sandbox):
    sandbox.audiences.create(EU, "winback")
    with pytest.raises(AudienceNameError, match="exists already"):
        create()
    assert len(at_tiktok()) == 1


def test_the_name_of_an_own_audience_is_rejected_later(create, at_tiktok):
    audience = create()
    Audience.objects.filter(pk=audience.pk).update(
        create_until=timezone.now() - timedelta(minutes=5)
    )
    with pytest.raises(AudienceNameError, match="exists already"):
        create()


@pytest.mark.parametrize("kind", ["apply_then_drop", "truncated", "not_json", "empty"])
def test_a_creation_with_a_lost_answer_is_found_in_the_list(
    create, at_tiktok, sandbox, short_waits, kind, eu
):
    sandbox.faults.set(kind, endpoint="segment/audience", count=1)
    assert [create().remote_id] == at_tiktok()
    eu.refresh_from_db()
    assert eu.n_audiences == 6


def test_a_second_click_after_lost_answer_and_list_creates_no_second_one(
    create, at_tiktok, sandbox, short_waits
):
    sandbox.faults.set("apply_then_drop", endpoint="segment/audience", count=1)
    list_fault(sandbox, after=1)
    with pytest.raises(PartnerError) as error:
        create()
    assert "did not answer" in error.value.sentence()
    sandbox.faults.clear()
    assert [create().remote_id] == at_tiktok()


def list_fault(sandbox, *, after):
    """Drop list requests after the first ``after`` ones."""
    real, passed = sandbox.faults.take, []

    def take(kinds, endpoint, advertisers):
        if endpoint == "dmp/custom_audience/list" and "drop" in kinds:
            passed.append(endpoint)
            if len(passed) == after + 1:
                sandbox.faults.set("drop", endpoint=endpoint)
        return real(kinds, endpoint, advertisers)

    sandbox.faults.take = take


@pytest.mark.parametrize(("fault", "words"), [
    ({"kind": "code", "code": 40105}, "An admin has to connect again"),
    ({"kind": "not_allowlisted"}, "does not let us use this ad account"),
    ({"kind": "code", "code": 40002}, "refused this (code 40002)"),
    ({"kind": "throttle"}, "did not answer or has a problem"),
    ({"kind": "http_error"}, "Press Create audience again shortly"),
])  # fmt: skip
def test_a_rejection_is_explained_and_can_be_retried(
    create, at_tiktok, sandbox, short_waits, fault, words
):
    sandbox.faults.set(endpoint="segment/audience", **fault)
    with pytest.raises(PartnerError) as error:
        create()
    assert words in error.value.sentence()
    assert at_tiktok() == []
    sandbox.faults.clear()
    assert [create().remote_id] == at_tiktok()


def test_a_dead_creation_blocks_the_name_until_its_lease_expires(
    create, at_tiktok, eu, alice, monkeypatch
):
    Audience.objects.create(
        ad_account=eu,
        name="winback",
        create_tries=1,
        create_until=timezone.now() + timedelta(seconds=60),
    )
    with monkeypatch.context() as patch:
        patch.setattr(creation, "WAIT_SECONDS", 0.3)
        with pytest.raises(PartnerError) as error:
            create()
    assert "it will not be created twice" in error.value.sentence()
    Audience.objects.filter(name="winback").update(
        create_until=timezone.now() - timedelta(seconds=1)
    )
    assert [create().remote_id] == at_tiktok()


def test_the_limit_is_400_audiences(create, eu, sandbox, at_tiktok):
    for n in range(394):
        sandbox.audiences.create(EU, f"old {n}")
    create("number 400")
    with pytest.raises(AudienceNameError, match="is full: TikTok allows 400 audiences"):
        create("number 401")
    assert at_tiktok("number 401") == []


def test_creations_are_throttled(create, eu, monkeypatch):
    create("first")
    monkeypatch.setattr(creation, "WAIT_SECONDS", 0.3)
    Budget.objects.filter(key=f"create:tiktok:{EU}").update(next_us=budget.now_us() + 30_000_000)
    with pytest.raises(PartnerError) as error:
        create("second")
    assert "Too many audiences are being created" in error.value.sentence()


def test_a_disconnected_partner_creates_no_audience(create, alice_flow, eu, at_tiktok):
    alice_flow.client.post(alice_flow.url("disconnect_partner"))
    eu.refresh_from_db()
    with pytest.raises(PartnerError) as error:
        create()
    assert "TikTok is not connected" in error.value.sentence()
    assert at_tiktok() == []
