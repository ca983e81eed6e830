"""F16 to F18: answers that are none, answers that are half a success, and content that the partner refuses."""

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
from tests.system.faults.lawful import N

pytestmark = pytest.mark.slow
ODD = ("truncated", "not_json", "empty", "huge", "code_text", "code_null", "code_missing")


def _entered(town):
    asked = town.sync()
    town.enter(asked, town.people(N))
    return asked


@pytest.mark.parametrize("kind", ODD)
def test_f16_an_answer_that_is_none_is_no_success(town, kind):
    asked = _entered(town)
    town.fault(kind)
    town.beats(0.3)
    assert {push.code for push in Push.objects.all()} == {"no_answer"}
    assert town.counts(asked) == {"entered": N, "pending": N}
    assert town.members(asked.audience) == N
    town.sandbox.faults.clear()
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    town.judge()


def test_f16_tiktoks_own_code_counts_whatever_the_header_says(town):
    asked = _entered(town)
    town.fault("wrong_type")
    town.settle()
    assert town.counts(asked) == {"entered": N, "synced": N}
    assert len(town.mappings()) == 1
    town.judge()


def test_f16_a_redirect_is_not_followed(town):
    asked = _entered(town)
    with serve(lambda connection: connection.sendall(http(OK_BODY))) as (elsewhere, visits):
        town.fault("redirect", location=f"{elsewhere}/")
        town.beats(0.3)
        assert {push.code for push in Push.objects.all()} == {"no_answer"}
        town.sandbox.faults.clear()
        town.settle()
        assert visits == []
    assert town.counts(asked) == {"entered": N, "synced": N}
    town.judge()


def _peak_kb():
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def _swallow(address, tell):
    """In a child, whose peak begins anew: one call."""
    client = Client("1", "s", address)
    for call in (lambda: client.user_info("token"), lambda: client.push("token", b"{}")):
        before = _peak_kb()
        with pytest.raises(Retry):
            call()
    tell({"grown_kb": _peak_kb() - before})


def test_f16_a_bomb_does_not_explode(town):
    """200 MB of nothing, packed to 200 kB."""
    bomb = gzip.compress(OK_BODY + b" " * (200 << 20), compresslevel=9)
    answers = [http(b"{}"), http(bomb, headers="Content-Encoding: gzip\r\n")]

    def behave(connection):
        while read_request(connection):
            connection.sendall(answers.pop(0) if len(answers) > 1 else answers[0])

    with serve(behave) as (address, _):
        child = Child(lambda tell: _swallow(address, tell))
        assert child.wait() == "ended"
        child.end()
    assert child.said("error") == []
    assert child.said("grown_kb")[0] <= 10 << 10


def _errored():
    own, shared = (
        Delivery.objects.filter(outcome="errored"),
        Delivery.objects.filter(batch__state="errored", outcome=None),
    )
    return set((own | shared).values_list("profile", flat=True))


def test_f17_half_a_success_that_names_the_rows(town):
    asked, people = town.sync(), town.people(N)
    town.fault("partial", rows=[3, 500], named=True, count=1)
    town.enter(asked, people)
    town.settle()
    assert town.counts(asked) == {"entered": N, "errored": 2, "synced": N - 2}
    assert _errored() == {people[3].pk, people[500].pk}
    assert sync.reasons([asked.pk]) == {"errored": {"20001": 2}}
    assert len(town.mappings()) == 1
    town.judge()


def test_f17_half_a_success_that_names_nobody(town):
    asked, people = town.sync(), town.people(N)
    town.fault("partial", hash=people[500].email_sha256.hex(), named=False)
    town.enter(asked, people)
    town.settle()
    assert town.counts(asked) == {"entered": N, "errored": 1, "synced": N - 1}
    assert _errored() == {people[500].pk}
    assert sync.reasons([asked.pk]) == {"errored": {"20001": 1}}
    town.judge()


def test_f18_one_poisonous_person_costs_22_requests_at_most(town):
    asked, people = town.sync(), town.people(N)
    town.fault("poison", hash=people[537].email_sha256.hex())
    town.enter(asked, people)
    town.settle()
    assert town.counts(asked) == {"entered": N, "errored": 1, "synced": N - 1}
    assert len(town.mappings()) <= 22  # 2 * log2(1000) + 2
    town.judge()
