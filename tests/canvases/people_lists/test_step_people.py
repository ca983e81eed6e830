"""The people of each outcome and reason: complete, masked for viewers, exportable."""

import csv
import io
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.core import lists
from audiencesync.groups.models import Activity
from audiencesync.people.models import Profile
from canvases import analytics, reasons
from canvases.models import Visit
from canvases.people_lists import page as views
from partners import laws
from partners.models import Delivery, Outcome, Tally
from partners.people import counted
from tests.canvases.people_lists.conftest import BATCH_OUTCOMES, OWN_OUTCOMES

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def shown(client_editor, step, **query):
    """Read all pages. Return the number of rows and the number that the page shows."""
    rows, n, place = 0, None, {}
    while place is not None:
        html = client_editor.get("step_people", step.pk, **query, **place).content.decode()
        rows += html.count("<tr data-delivery>")
        n = int(re.search(r'role="status">\s*(\d+) (?:person|people)', html)[1])
        more = re.search(r'rel="next" href="[^"]*before=([0-9-]+)', html)
        place = {"before": more[1]} if more else None
    return rows, n


@pytest.mark.parametrize("size", [1, 50])
def test_the_list_of_every_reason_has_as_many_rows_as_its_count(
    bob_editor, step, monkeypatch, size
):
    monkeypatch.setattr(views, "PAGE", size)
    lines = reasons.reasons(step)

    assert {(why.outcome, why.reason) for why in lines} == {*OWN_OUTCOMES, *BATCH_OUTCOMES} - {
        ("cancelled", "moved"),
        ("synced", "0"),
    }
    assert list(laws.broken(now=timezone.now())) == []
    page = bob_editor.get(step=step.pk, reasons=1).content.decode()
    for why in lines:
        assert f"/people/?number={why.outcome}&amp;reason={why.reason}" in page
        assert shown(bob_editor, step, number=why.outcome, reason=why.reason) == (why.n, why.n)


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("outcome", ["synced", "not_synced", "pending", "errored", "cancelled"])
def test_the_list_of_every_outcome_has_as_many_rows_as_its_count(
    bob_editor, step, monkeypatch, size, outcome
):
    monkeypatch.setattr(views, "PAGE", size)
    n = getattr(analytics.step_numbers([step])[step.pk], outcome)

    assert n > 1
    assert shown(bob_editor, step, number=outcome) == (n, n)


def test_the_last_page_ends_the_list(bob_editor, step, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 2)
    first = bob_editor.get("step_people", step.pk, number="errored").context["page"]
    last = bob_editor.get("step_people", step.pk, number="errored", last=1).context["page"]
    every = counted.parts(reasons.syncs_of(step, is_removal=False), "errored", None)
    rows = [row for chunk in lists.in_chunks(every, 3) for row in chunk]

    assert [row.pk for row in first.rows] == [row.pk for row in rows[:2]]
    assert [row.pk for row in last.rows] == [row.pk for row in rows[-2:]]
    assert (first.newer, last.older) == (None, None)


def test_newer_pages_repeat_the_older_ones(bob_editor, step, monkeypatch):
    monkeypatch.setattr(views, "PAGE", 1)
    query = {"number": "not_synced", "reason": "no_identifier"}
    forward = [bob_editor.get("step_people", step.pk, **query).context["page"]]
    while forward[-1].older:
        forward.append(
            bob_editor.get("step_people", step.pk, **query, before=forward[-1].older).context[
                "page"
            ]
        )
    back = [forward[-1]]
    while back[-1].newer:
        back.append(
            bob_editor.get("step_people", step.pk, **query, after=back[-1].newer).context["page"]
        )

    assert len({page.rows[0].pk for page in forward}) == len(forward) > 2
    assert [page.rows for page in back[::-1]] == [page.rows for page in forward]


def test_the_file_has_the_rows_of_the_list(bob_editor, bob, step, people):
    answer = bob_editor.post("step_people_export", step.pk, number="errored", reason="40002")
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))

    (why,) = (reason for reason in reasons.reasons(step) if reason.reason == "40002")
    assert len(rows) == why.n
    assert {(row["email"], row["outcome"], row["reason_code"]) for row in rows} >= {
        ("p2@example.org", "errored", "40002")
    }
    assert all(row["reason"] == why.text and row["entered_canvas_at"] for row in rows)
    line = Activity.objects.get()
    assert (line.actor, line.verb, line.subject) == (bob, "exported", "Cart")


def test_erased_and_purged_people_are_counted(bob_editor, step, people):
    query = {"number": "not_synced", "reason": "no_identifier"}
    before = shown(bob_editor, step, **query)
    Profile.objects.filter(pk=people[0].pk).update(erased_at=timezone.now())
    one = Tally.objects.filter(sync__in=step.syncs.all()).first()
    Delivery.objects.filter(sync=one.sync_id, profile=people[0]).delete()
    one.base = {Outcome.NOT_SYNCED: {"no_identifier": 1}}
    one.save()
    page = bob_editor.get("step_people", step.pk, **query).content.decode()

    assert shown(bob_editor, step, **query) == (before[0] - 1, before[1])
    assert "1 of them is no longer kept and not listed" in page
    assert ">Erased<" in page
    assert "p0@example.org" not in page


def test_viewers_see_masked_data_and_may_not_export(editor_of, vera, bob_editor, step):
    query = {"number": "errored", "reason": "40002"}
    url = bob_editor.url("step_people_export", step.pk)
    veras = editor_of(vera)
    masked, plain = (
        client_editor.get("step_people", step.pk, **query).content.decode()
        for client_editor in (veras, bob_editor)
    )

    assert ("p2@example.org" in plain, "p2@example.org" in masked) == (True, False)
    assert "p***@e***.org" in masked
    assert (url in plain, url in masked) == (True, False)
    assert veras.post("step_people_export", step.pk, **query).status_code == 403
    assert [line.verb for line in Activity.objects.all()] == ["viewed"]


def test_people_of_other_groups_are_not_shown(
    bob_editor, editor_of, charlie, step, other_group, canvas
):
    foreign = type(canvas).objects.create(app_group=other_group, name="Theirs")
    Profile.objects.update(app_group=other_group)  # profiles of another group are shown as unknown

    assert editor_of(charlie).get("step_people", step.pk).status_code == 404
    assert editor_of(charlie, foreign).get("step_people", step.pk).status_code == 404
    assert editor_of(charlie, foreign).post("step_people_export", step.pk).status_code == 404
    assert (
        "example.org"
        not in bob_editor.get("step_people", step.pk, number="errored", reason="40002")
        .content.decode()
        .split("<main")[1]
    )


def test_the_list_has_a_constant_number_of_queries(bob_editor, step, people, canvas):
    def queries():
        with CaptureQueriesContext(connection) as found:
            bob_editor.get("step_people", step.pk, number="errored", reason="40002")
        return len(found)

    queries()
    before = queries()
    now = timezone.now()
    more = Visit.objects.bulk_create(
        Visit(canvas=canvas, profile=person, slot=1, entered_at=now, left_at=now)
        for person in people
    )
    sync_row = step.syncs.first()
    Delivery.objects.bulk_create(
        Delivery(
            sync=sync_row,
            profile_id=one.profile_id,
            entry_key=one.pk,
            outcome="errored",
            reason="40002",
        )
        for one in more
    )
    assert queries() == before


@pytest.mark.parametrize(
    "query",
    [{"number": "x"}, {"reason": "\0"}, {"number": "errored", "reason": "a" * 41}, {"number": ""}],
)
def test_an_invalid_outcome_or_reason_is_404(bob_editor, step, query):
    assert bob_editor.get("step_people", step.pk, **query).status_code == 404


@pytest.mark.parametrize("code", ["a" * 25, "E4000", "-5", "9" * 40])
def test_an_unknown_code_is_a_reason_without_people(bob_editor, step, code):
    assert bob_editor.get("step_people", step.pk, number="errored", reason=code).status_code == 200


@pytest.mark.parametrize(
    "place", ["", "x", "1", "9" * 40, "1-" + "9" * 30, "-1-1", "\0", "0-0", "0-1-2-3", "5-1"]
)
def test_an_invalid_cursor_shows_the_first_page(bob_editor, step, place):
    assert bob_editor.get("step_people", step.pk, number="errored", before=place).status_code == 200


def test_an_export_needs_a_fresh_login(bob, signed_in, bob_editor, step):
    answer = signed_in(bob, fresh=False).post(
        bob_editor.url("step_people_export", step.pk), {"number": "errored"}
    )
    assert answer["Location"].startswith("/accounts/reauthenticate/")
    assert not Activity.objects.exists()
