"""F16 to F18: unreadable answers, partial success, and content that the partner refuses."""

import gzip
import re
from pathlib import Path

import pytest

from partners import sync
from partners.errors import Retry
from partners.models import Delivery, Push
from partners.tiktok.client import Client
from tests.support.odd_servers import OK_BODY, http, read_request, serve
from tests.system.crash.processes import Child
from tests.system.faults.checked_world import N_PEOPLE

pytestmark = pytest.mark.slow
UNREADABLE = ("truncated", "not_json", "empty", "huge", "code_text", "code_null", "code_missing")


def _enter_people(world):
    to_sync = world.create_sync()
    world.enter(to_sync, world.create_people(N_PEOPLE))
    return to_sync


@pytest.mark.parametrize("kind", UNREADABLE)
def test_f16_an_unreadable_answer_is_no_success(world, kind):
    to_sync = _enter_people(world)
    world.set_fault(kind)
    world.beat_for(0.3)
    assert {push.code for push in Push.objects.all()} == {"no_answer"}
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "pending": N_PEOPLE}
    assert world.members(to_sync.audience) == N_PEOPLE
    world.sandbox.faults.clear()
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()


def test_f16_the_code_in_the_body_counts_although_the_content_type_is_wrong(world):
    to_sync = _enter_people(world)
    world.set_fault("wrong_type")
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    assert len(world.mappings()) == 1
    world.check_at_rest()


def test_f16_a_redirect_is_not_followed(world):
    to_sync = _enter_people(world)
    with serve(lambda connection: connection.sendall(http(OK_BODY))) as (elsewhere, visits):
        world.set_fault("redirect", location=f"{elsewhere}/")
        world.beat_for(0.3)
        assert {push.code for push in Push.objects.all()} == {"no_answer"}
        world.sandbox.faults.clear()
        world.drain()
        assert visits == []
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "synced": N_PEOPLE}
    world.check_at_rest()


def _peak_kb():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def _call_and_measure(address, send):
    """In a child process, call once to load all code, then report how a call raises the peak."""
    client = Client("1", "s", address)
    for call in (lambda: client.user_info("token"), lambda: client.push("token", b"{}")):
        before = _peak_kb()
        with pytest.raises(Retry):
            call()
    send({"extra_kb": _peak_kb() - before})


def test_f16_a_compression_bomb_is_not_unpacked():
    # 200 MB of spaces, compressed to 200 kB.
    bomb = gzip.compress(OK_BODY + b" " * (200 << 20), compresslevel=9)
    answers = [http(b"{}"), http(bomb, headers="Content-Encoding: gzip\r\n")]

    def behave(connection):
        while read_request(connection):
            connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    with serve(behave) as (address, _):
        child = Child(lambda send: _call_and_measure(address, send))
        assert child.wait() == "ended"
        child.end()
    assert child.reports("error") == []
    assert child.reports("extra_kb")[0] <= 10 << 10


def _errored_ids():
    by_row, by_batch = (
        Delivery.objects.filter(outcome="errored"),
        Delivery.objects.filter(batch__state="errored", outcome=None),
    )
    return set((by_row | by_batch).values_list("profile", flat=True))


def test_f17_a_partial_success_errors_only_the_named_rows(world):
    to_sync, people = world.create_sync(), world.create_people(N_PEOPLE)
    world.set_fault("partial", rows=[3, 500], named=True, count=1)
    world.enter(to_sync, people)
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "errored": 2, "synced": N_PEOPLE - 2}
    assert _errored_ids() == world.absent(to_sync.audience, people)
    assert sync.reasons([to_sync.pk]) == {"errored": {"20001": 2}}
    assert len(world.mappings()) == 1
    world.check_at_rest()


def test_f17_a_partial_success_without_row_numbers_is_split_until_the_row_is_found(world):
    to_sync, people = world.create_sync(), world.create_people(N_PEOPLE)
    world.set_fault("partial", hash=people[500].email_sha256.hex(), named=False)
    world.enter(to_sync, people)
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "errored": 1, "synced": N_PEOPLE - 1}
    assert _errored_ids() == {people[500].pk}
    assert sync.reasons([to_sync.pk]) == {"errored": {"20001": 1}}
    world.check_at_rest()


def test_f18_isolating_a_poison_row_takes_at_most_22_requests(world):
    to_sync, people = world.create_sync(), world.create_people(N_PEOPLE)
    world.set_fault("poison", hash=people[537].email_sha256.hex())
    world.enter(to_sync, people)
    world.drain()
    assert world.counts(to_sync) == {"entered": N_PEOPLE, "errored": 1, "synced": N_PEOPLE - 1}
    assert len(world.mappings()) <= 22  # 2 * log2(1000) + 2
    world.check_at_rest()
