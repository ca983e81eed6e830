"""Several callers at once: nobody is made twice, nothing is lost, nobody waits for ever."""

import hashlib
import threading

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from audiencesync.groups.models import KeptAnswer
from audiencesync.people.models import Event, Profile, UserAlias
from audiencesync.rest import idempotency
from tests.support.rest_api import Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
LEAD = {"alias_label": "lead", "alias_name": "L1"}


def at_once(*works):
    """Run them in threads of their own, all beginning together; answers their results."""
    barrier, results = threading.Barrier(len(works)), [None] * len(works)

    def run(place, work):
        try:
            barrier.wait(timeout=30)
            results[place] = work()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not any(thread.is_alive() for thread in threads)
    return results


@pytest.fixture
def key(acme, issue):
    return issue(acme)


def test_the_same_people_from_four_sides(key):
    """In orders that would lock crosswise, by every kind of name."""
    names = [{"external_id": f"p{n}"} for n in range(12)]
    names += [{"email": f"e{n}@example.org"} for n in range(4)] + [
        {"phone": f"+4915112345{n:03}"} for n in range(4)
    ]
    aliases = [{"alias_label": "l", "alias_name": str(n)} for n in range(4)]
    names += [{"user_alias": alias, "_update_existing_only": False} for alias in aliases]

    def work(who):
        def run():
            caller, turned = Caller(key), names[who:] + names[:who]
            some = turned if who % 2 else turned[::-1]
            return [
                caller.post(
                    "/users/track", {"attributes": [name | {f"by{who}": turn} for name in some]}
                ).status_code
                for turn in range(5)
            ]

        return run

    for statuses in at_once(*(work(who) for who in range(4))):
        assert statuses == [201] * 5
    assert (Profile.objects.count(), UserAlias.objects.count()) == (24, 4)
    for profile in Profile.objects.all():
        assert profile.attributes == {f"by{who}": 4 for who in range(4)}


def test_counting_up_loses_nothing(key):
    body = {"attributes": [{"external_id": "a", "n": {"inc": 1}}] * 5}

    def work():
        return [Caller(key).post("/users/track", body).status_code for _ in range(4)]

    at_once(work, work, work)
    assert Profile.objects.get().attributes == {"n": 60}


def test_one_of_two_equal_calls_is_done(key):
    body = {"events": [{"external_id": "a", "name": "cart", "time": "2026-11-01T10:00:00Z"}]}

    def work():
        answer = Caller(key).post("/users/track", body, Idempotency_Key="k")
        return answer.status_code, answer.content, "Idempotent-Replayed" in answer

    answers = at_once(*[work] * 4)
    assert {status for status, _content, _again in answers} == {201}
    assert len({content for _status, content, _again in answers}) == 1
    assert sorted(again for _status, _content, again in answers) == [False, True, True, True]
    assert Event.objects.count() == 1


TOO_LONG = {"postgresql": 409, "sqlite": 503}  # SQLite does not say for what it waits


def test_who_waits_too_long_for_the_same_call_is_told_to_come_again(key, acme, monkeypatch):
    monkeypatch.setattr(idempotency, "PATIENCE", "300ms")
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.3)
    body = {"events": [{"external_id": "a", "name": "cart", "time": "2026-11-01T10:00:00Z"}]}
    with transaction.atomic():  # the same call, which is being worked on elsewhere
        name = hashlib.sha256(b"k").hexdigest()
        KeptAnswer.objects.create(
            app_group=acme, key_sha256=name, call_sha256="", at=timezone.now()
        )
        (answer,) = at_once(lambda: Caller(key).post("/users/track", body, Idempotency_Key="k"))
    assert answer.status_code == TOO_LONG[connection.vendor]
    assert int(answer["Retry-After"]) >= 1
    assert not Event.objects.exists()


def test_a_visitor_is_identified_while_the_person_is_written(key):
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


def test_the_limit_counts_every_call(key, settings):
    settings.API_LIMITS = settings.API_LIMITS | {"track": (10, 86400.0 * 365)}

    def work():
        body = {"attributes": [{"external_id": "a"}]}
        return [Caller(key).post("/users/track", body).status_code for _ in range(5)]

    statuses = sum(at_once(work, work, work, work), [])
    assert (statuses.count(201), statuses.count(429)) == (10, 10)
