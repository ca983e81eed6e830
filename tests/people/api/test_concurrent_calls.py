"""Concurrent calls create no duplicate, lose no update and do not wait for ever."""

import hashlib
import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from audiencesync.groups.models import KeptAnswer
from audiencesync.people.models import Event, Profile, UserAlias
from audiencesync.rest import idempotency
from tests.support.rest_api import LONG_WINDOW, Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
LEAD = {"alias_label": "lead", "alias_name": "L1"}


def at_once(*jobs):
    """Run the functions in threads that start together, and return their results."""
    barrier, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(place, job):
        try:
            barrier.wait(timeout=120)
            results[place] = job()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, job)) for place, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=240)
    assert not any(thread.is_alive() for thread in threads)
    return results


@pytest.fixture
def key(acme, issue_key):
    return issue_key(acme)


def test_four_callers_write_the_same_people(key):
    # Every kind of identifier, in orders that would deadlock if calls locked in their order.
    names = [{"external_id": f"p{n}"} for n in range(12)]
    names += [{"email": f"e{n}@example.org"} for n in range(4)] + [
        {"phone": f"+4915112345{n:03}"} for n in range(4)
    ]
    aliases = [{"alias_label": "l", "alias_name": str(n)} for n in range(4)]
    names += [{"user_alias": alias, "_update_existing_only": False} for alias in aliases]

    def job(number):
        def run():
            caller, turned = Caller(key), names[number:] + names[:number]
            ordered = turned if number % 2 else turned[::-1]
            return [
                caller.post(
                    "/users/track",
                    {"attributes": [name | {f"by{number}": turn} for name in ordered]},
                ).status_code
                for turn in range(5)
            ]

        return run

    for statuses in at_once(*(job(number) for number in range(4))):
        assert statuses == [201] * 5
    assert (Profile.objects.count(), UserAlias.objects.count()) == (24, 4)
    for profile in Profile.objects.all():
        assert profile.attributes == {f"by{number}": 4 for number in range(4)}


def test_concurrent_increments_are_all_counted(key):
    body = {"attributes": [{"external_id": "a", "n": {"inc": 1}}] * 5}

    def job():
        return [Caller(key).post("/users/track", body).status_code for _ in range(4)]

    at_once(job, job, job)
    assert Profile.objects.get().attributes == {"n": 60}


def test_one_of_several_equal_calls_is_executed(key):
    body = {"events": [{"external_id": "a", "name": "cart", "time": "2026-11-01T10:00:00Z"}]}

    def job():
        answer = Caller(key).post("/users/track", body, Idempotency_Key="k")
        return answer.status_code, answer.content, "Idempotent-Replayed" in answer

    answers = at_once(*[job] * 4)
    assert {status for status, _content, _again in answers} == {201}
    assert len({content for _status, content, _again in answers}) == 1
    assert sorted(again for _status, _content, again in answers) == [False, True, True, True]
    assert Event.objects.count() == 1


TOO_LONG = {"postgresql": 409, "sqlite": 503}  # SQLite does not report which lock it waits for


def test_a_call_that_waits_too_long_for_an_equal_one_must_retry(key, acme, monkeypatch):
    monkeypatch.setattr(idempotency, "LOCK_TIMEOUT", "300ms")
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.3)
    body = {"events": [{"external_id": "a", "name": "cart", "time": "2026-11-01T10:00:00Z"}]}
    with transaction.atomic():  # the same call is still running elsewhere
        name = hashlib.sha256(b"k").hexdigest()
        KeptAnswer.objects.create(
            app_group=acme, key_sha256=name, call_sha256="", at=timezone.now()
        )
        (answer,) = at_once(lambda: Caller(key).post("/users/track", body, Idempotency_Key="k"))
    assert answer.status_code == TOO_LONG[connection.vendor]
    assert int(answer["Retry-After"]) >= 1
    assert not Event.objects.exists()


def test_a_visitor_is_identified_while_the_profile_is_written(key):
    Caller(key).post("/users/alias/new", {"user_aliases": [LEAD]})

    def identify():
        body = {"aliases_to_identify": [{"external_id": "a", "user_alias": LEAD}]}
        return Caller(key).post("/users/identify", body).json()["aliases_processed"]

    def track():
        return Caller(key).track(attributes=[{"external_id": "a", "plan": "gold"}])[
            "attributes_processed"
        ]

    assert at_once(identify, track) == [1, 1]
    person = Profile.objects.get(external_id="a")
    assert (person.attributes, person.aliases.count()) == ({"plan": "gold"}, 1)


def test_the_rate_limit_counts_concurrent_calls(key, settings):
    settings.API_LIMITS = settings.API_LIMITS | {"track": (10, LONG_WINDOW)}

    def job():
        body = {"attributes": [{"external_id": "a"}]}
        return [Caller(key).post("/users/track", body).status_code for _ in range(5)]

    statuses = sum(at_once(job, job, job, job), [])
    assert (statuses.count(201), statuses.count(429)) == (10, 10)
