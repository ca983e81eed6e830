"""The checks of a connection: each failure appears with its code, and the history is kept."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from partners.base import RemoteAdAccount
from partners.health import checks, probes
from partners.models import AdAccount, CheckAnswer, Connection, Push
from partners.queue import retention

SEGMENTS = "/segments"


@pytest.fixture
def used(connected):
    """A connection with an audience in use."""
    connected.create_sync(connected.create_audience())
    return connected


def answers(world, now=None):
    """Run the checks; return kind -> (result, code, answer) of this run."""
    now = now or timezone.now()
    Connection.objects.update(examined_at=None)
    assert probes.run(world.connection, now=now)
    rows = CheckAnswer.objects.filter(at=now)
    return {row.kind: (row.result, row.code, row.answer) for row in rows}


def push(world, code):
    account = world.connection.ad_accounts.get()
    Push.objects.create(
        ad_account=account, action="add", people=1, ids=1, at=timezone.now(), ms=7, code=code
    )


def page(world):
    return world.client.get(reverse("health", args=[world.group.slug])).content.decode()


def test_all_is_good(used):
    push(used, "0")
    assert answers(used) == {
        "access": ("good", "", ""),
        "permissions": ("good", "", ""),
        "ad_account": ("good", "", ""),
        "audiences": ("good", "", "0/1"),
        "allow_list": ("good", "", ""),
    }
    assert "5 of 5 good" in page(used)


def test_a_refused_token_parks_the_connection_and_ends_the_run(used):
    used.remote.expire_access()
    assert answers(used) == {
        "access": ("bad", "E1001", ""),
        "permissions": ("good", "", ""),
    }
    assert used.connection.parked_code == "E1001"
    assert "Access to FakeAds: refused with the code E1001" in page(used)


def test_a_partner_without_an_answer_is_no_failure(used):
    used.remote.fail("/me", 500, "E9000")
    assert answers(used)["access"] == ("unknown", "E9000", "")
    assert used.connection.parked_by == ""
    assert "no clear answer, code E9000" in page(used)


def test_missing_permissions_are_named(used, fake, monkeypatch):
    monkeypatch.setattr(type(fake), "missing_permissions", lambda self, token: ["Segments"])
    assert answers(used)["permissions"] == ("bad", "", "Segments")
    assert "Permissions: missing: Segments" in page(used)


def test_an_ad_account_that_the_user_no_longer_reaches(used):
    used.remote.ad_account = None
    assert answers(used)["ad_account"] == ("bad", "", "not_listed")
    assert "the connected user no longer reaches it" in page(used)


def test_a_bad_answer_to_the_former_access_is_history(used):
    used.remote.ad_account = None
    answers(used)
    Connection.objects.update(connected_at=timezone.now())
    [report] = checks.of_group(used.group)
    assert [check.answer for check in report.checks if check.state == "bad"] == []
    assert len(report.runs) == 1


def test_the_one_question_about_all_ad_accounts_took_its_time_once(used):
    AdAccount.objects.create(connection=used.connection, remote_id="second", name="Second")
    answers(used)
    CheckAnswer.objects.update(ms=0)
    assert CheckAnswer.objects.filter(kind="ad_account").update(ms=2000) == 2
    [report] = checks.of_group(used.group)
    assert [run.seconds for run in report.runs] == [2]


def test_an_ad_account_in_which_nothing_runs(used, fake, monkeypatch):
    monkeypatch.setattr(fake, "active_statuses", frozenset(), raising=False)
    assert answers(used)["ad_account"] == ("bad", "", "LIVE")
    assert AdAccount.objects.get().status == "LIVE"


def test_a_status_with_nul_is_stored_without(used, fake, monkeypatch):
    account = RemoteAdAccount(used.remote.ad_account, "Acme", status="HAL\0TED")
    monkeypatch.setattr(type(fake), "ad_accounts", lambda self, token: [account])
    assert answers(used)["ad_account"] == ("bad", "", "HALTED")
    assert AdAccount.objects.get().status == "HALTED"


def test_a_refused_ad_account_appears_with_its_code(used):
    used.remote.fail(SEGMENTS, 403, "E3002")
    assert answers(used)["audiences"] == ("bad", "E3002", "")
    assert used.connection.ad_accounts.get().parked_code == "E3002"


def test_an_audience_that_is_gone(used):
    used.remote.segments.clear()
    AdAccount.objects.get().audiences.update(seen_at=timezone.now() - timedelta(hours=1))
    assert answers(used)["audiences"] == ("bad", "", "1/1")
    assert "1 of 1 cannot be used" in page(used)


def test_the_allow_list_shows_in_the_last_request_with_people(used):
    push(used, "E3002")
    assert answers(used)["allow_list"] == ("bad", "E3002", "")
    text = "Allow-list of FakeAds, for Acme:\n              refused with the code E3002"
    assert " ".join(text.split()) in " ".join(page(used).split())


def test_since_when_it_fails_and_since_when_it_is_good_again(used):
    now = timezone.now()
    answers(used, now - timedelta(hours=4))
    used.remote.fail("/me", 403, "E3002", times=2)
    answers(used, now - timedelta(hours=3))
    answers(used, now - timedelta(hours=2))
    answers(used, now - timedelta(hours=1))
    answers(used, now)
    rows = CheckAnswer.objects.filter(kind="access").order_by("pk")
    hours = [round((now - row.since) / timedelta(hours=1)) for row in rows]
    assert hours == [4, 3, 3, 1, 1]


def test_the_beat_checks_each_connection_once_in_its_time(used):
    probes.beat()
    n = CheckAnswer.objects.count()
    assert n
    probes.beat()
    assert CheckAnswer.objects.count() == n
    Connection.objects.update(examined_at=timezone.now() - timedelta(hours=2))
    probes.beat()
    assert CheckAnswer.objects.count() == 2 * n


def test_the_button_asks_once_a_minute(used):
    url = used.url("check_now")
    text = used.client.post(url, follow=True).content.decode()
    assert "All was asked" in text
    n = CheckAnswer.objects.count()
    text = used.client.post(url, follow=True).content.decode()
    assert "within the last minute" in text
    assert CheckAnswer.objects.count() == n


def test_a_viewer_reads_and_does_not_ask(used, signed_in, vera):
    answers(used)
    client = signed_in(vera)
    text = client.get(reverse("health", args=[used.group.slug])).content.decode()
    assert "4 of 4 good" in text
    assert "Check now" not in text
    assert client.post(used.url("check_now")).status_code == 403


def test_old_answers_are_deleted(used):
    answers(used, timezone.now() - timedelta(days=91))
    answers(used)
    retention.purge(now=timezone.now())
    assert CheckAnswer.objects.values("at").distinct().count() == 1


def test_no_answer_holds_a_token_or_an_address(used):
    used.remote.expire_access()
    answers(used)
    kept = str(list(CheckAnswer.objects.values()))
    assert "access-" not in kept
    assert "@" not in kept
