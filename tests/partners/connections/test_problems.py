"""Problems are derived when read, and shown on the pages where they matter."""

from datetime import timedelta

import pytest
from django.utils import timezone

from partners import audiences
from partners.connections import problems
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Connection, Sync
from partners.queue import park
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough


@pytest.fixture
def step(alice_flow, live_sync):
    alice_flow.connect(EU)
    return live_sync(
        alice_flow.connection().ad_accounts.get().audiences.get(name="Newsletter readers")
    )


@pytest.fixture
def problem(step):
    def look():
        fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=step.pk)
        return problems.of_sync(fresh)

    return look


@pytest.fixture
def code(problem):
    return lambda: problem().code if problem() else None


def probe(alice_flow):
    return audiences.probe(alice_flow.connection(), now=timezone.now())


def test_a_healthy_sync_has_no_problem(problem):
    assert problem() is None


def test_the_problem_of_a_sync_takes_one_query(step, django_assert_num_queries):
    with django_assert_num_queries(1):
        fresh = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=step.pk)
        problems.of_sync(fresh)


def test_a_token_revoked_at_tiktok_shows_after_a_probe(alice_flow, problem, code, sandbox):
    sandbox.accounts.revoke_all()
    assert not probe(alice_flow)
    assert code() == "token_refused"
    assert problem().url == "/g/acme/partners/tiktok/"
    page = alice_flow.client.get(alice_flow.url("partner")).content.decode()
    assert "Needs attention" in page
    assert "TikTok no longer accepts our access: " in page


def test_a_successful_probe_ends_the_problem(alice_flow, code):
    park.park_connection(alice_flow.connection(), "40105", timezone.now())
    assert code() == "token_refused"
    assert probe(alice_flow)
    assert code() is None


def test_a_probe_without_an_answer_changes_nothing(alice_flow, code, sandbox):
    sandbox.faults.set("http_error", endpoint="user/info")
    before = alice_flow.connection().checked_at
    assert not probe(alice_flow)
    assert code() is None
    assert alice_flow.connection().checked_at == before


def test_a_token_with_a_lost_key_names_the_setting_and_parks_nothing(alice_flow, problem, caplog):
    Connection.objects.update(token_sealed="v1.gone.AAAA.AAAA")
    assert not probe(alice_flow)
    assert problem().code == "sealed"
    assert "(TOKEN_KEYS) cannot open its access to TikTok" in problem().text
    assert "password was changed" not in problem().text
    assert alice_flow.connection().parked_by == ""
    assert "TOKEN_KEYS of the machine" in caplog.text


def test_a_rejected_ad_account_is_a_problem(alice_flow, problem, code):
    park.park_ad_account(AdAccount.objects.get(), "40001", timezone.now())
    assert code() == "ad_account_refused"
    assert "Acme EU" in problem().text
    assert "Needs attention" in alice_flow.client.get(alice_flow.url("partner")).content.decode()


def test_an_audience_deleted_at_tiktok_shows_after_a_refresh(step, code, sandbox):
    sandbox.audiences.delete(step.audience.remote_id)
    ad_account = AdAccount.objects.get()
    audiences.refresh(ad_account, now=timezone.now(), is_forced=True)
    assert code() == "audience_gone"
    assert not audiences.choices(ad_account).filter(pk=step.audience_id).exists()


def test_an_audience_that_is_not_appendable_is_a_problem(alice_flow, step, problem):
    step.audience = Audience.objects.get(name="Similar to customers")
    step.save()
    assert problem().code == "audience_not_appendable"
    assert "made another way" in problem().text


def test_parking_again_keeps_the_first_timestamp(step):
    first, second = timezone.now(), timezone.now() + timedelta(minutes=5)
    park.park_audience(step.audience, "40007", first)
    park.park_audience(step.audience, "40007", second)
    audience = Audience.objects.get(pk=step.audience_id)
    assert (audience.parked_since, audience.gone_at) == (first, first)
    assert audience.parked_until > second
    assert park.unpark(audience)
    assert not park.unpark(audience)


class TestBanner:
    def page(self, who, slug="acme"):
        reconcile.run(now=timezone.now())
        return who.client.get(f"/g/{slug}/partners/").content.decode()

    def test_every_page_of_the_group_shows_the_banner(self, alice_flow, step, sandbox):
        sandbox.accounts.revoke_all()
        probe(alice_flow)
        page = self.page(alice_flow)
        assert "People are not being sent." in page
        assert 'href="/g/acme/partners/tiktok/"' in page

    def test_no_banner_without_live_canvases(self, alice_flow, step):
        Sync.objects.update(is_live=False)
        Connection.objects.update(token_sealed="")
        assert "People are not being sent." not in self.page(alice_flow)

    def test_no_banner_without_problems(self, alice_flow, step):
        assert "People are not being sent." not in self.page(alice_flow)

    def test_no_banner_for_other_groups(self, alice_flow, step, flow_of, charlie, other_group):
        Connection.objects.update(token_sealed="")
        assert "People are not being sent." in self.page(alice_flow)
        charlies = flow_of(charlie, other_group)
        assert "People are not being sent." not in self.page(charlies, "umbrella")
