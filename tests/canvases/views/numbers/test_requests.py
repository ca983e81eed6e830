"""The list of a step's requests: only its own, explained in words, page by page."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.models import Step
from canvases.views.numbers import requests_page
from partners.models import Batch, Push, PushShare
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(canvas, winback):
    row = Step.objects.create(canvas=canvas, kind="audience_sync", sync=builder.make_sync(winback))
    row.syncs.set([row.sync])
    return row


def call(to_sync, code="0", *, people=5, state="synced", attempts=0):
    at = timezone.now()
    place = {"sync": to_sync, "audience": to_sync.audience}
    account = to_sync.audience.ad_account
    batch = Batch.objects.create(
        **place,
        ad_account=account,
        action="add",
        kinds=["email"],
        seq=Batch.objects.count(),
        n=people,
        state=state,
        attempts=attempts,
        last_code=code,
        created_at=at,
        due_at=at,
    )
    return again(batch, to_sync, code)


def again(batch, to_sync, code):
    """Record another request that sends this batch."""
    request_id = f"R{Push.objects.count() + 1}"
    Batch.objects.filter(pk=batch.pk).update(last_code=code, last_request_id=request_id)
    push = Push.objects.create(
        ad_account=batch.ad_account,
        batches=[batch.pk],
        action="add",
        people=batch.n,
        ids=batch.n,
        at=timezone.now(),
        ms=1400,
        code=code,
        request_id=request_id,
    )
    people = batch.n
    return PushShare.objects.create(push=push, sync=to_sync, people=people, is_failed=code != "0")


def rows(answer):
    text = " ".join(answer.content.decode().split())
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in text.split("<tr data-request>")[1:]]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


@pytest.mark.parametrize(
    ("code", "state", "word"),
    [
        ("0", "synced", "OK"),
        ("40100", "pending", "Slow down"),
        ("50000", "pending", "Problem there"),
        ("no_answer", "pending", "No answer"),
        ("51010", "errored", "Gave up"),
        ("40002", "errored", "Refused"),
        ("20001", "synced", "Partly taken"),
        ("40105", "pending", "No access"),
    ],
)
def test_an_answer_is_shown_in_words(bob_editor, step, code, state, word):
    call(step.sync, code, state=state, attempts=2)

    [row] = rows(bob_editor.get("step_numbers", step.pk))

    assert row[1:4] == ["5 people", word, "–" if code == "no_answer" else code]
    assert row[4].startswith("R")
    assert row[5:] == ["3" if state == "synced" else "2", "1.4 s"]


def test_only_the_last_call_of_a_batch_gave_up_and_counts_the_tries(bob_editor, step):
    first = call(step.sync, "50000", state="errored", attempts=3)
    batch = Batch.objects.get(pk=first.push.batches[0])
    for _n in range(2):
        again(batch, step.sync, "50000")

    cells = [(row[2], row[5]) for row in rows(bob_editor.get("step_requests", step.pk))]

    assert cells == [("Gave up", "3"), ("Problem there", "–"), ("Problem there", "–")]


def test_calls_of_another_step_are_not_listed(bob_editor, step, winback):
    call(builder.make_sync(winback))

    assert rows(bob_editor.get("step_requests", step.pk)) == []


def test_only_failed_calls_can_be_listed(bob_editor, step):
    for code in ("0", "40100", "0"):
        call(step.sync, code)

    assert len(rows(bob_editor.get("step_requests", step.pk))) == 3
    assert [row[2] for row in rows(bob_editor.get("step_requests", step.pk, failed=1))] == [
        "Slow down"
    ]


def test_pages_list_each_call_once(bob_editor, step, monkeypatch):
    monkeypatch.setattr(requests_page, "PAGE", 2)
    for _n in range(5):
        call(step.sync)
    found, query = [], {}
    while query is not None:
        answer = bob_editor.get("step_requests", step.pk, **query)
        found += [request.request_id for request in answer.context["requests"]]
        older = answer.context["page"]["older"]
        query = {"before": older} if older else None

    assert found == ["R5", "R4", "R3", "R2", "R1"]


@pytest.mark.parametrize("key", ["x", "1", "1-", "9" * 30 + "-1"])
def test_an_odd_key_shows_the_first_page(bob_editor, step, key):
    call(step.sync)

    assert len(rows(bob_editor.get("step_requests", step.pk, before=key))) == 1


def test_the_queries_of_a_page_do_not_grow_with_calls(bob_editor, step):
    def queries():
        with CaptureQueriesContext(connection) as found:
            bob_editor.get("step_requests", step.pk)
        return len(found)

    call(step.sync)
    queries()
    before = queries()
    for _n in range(9):
        call(step.sync)
    assert queries() == before
