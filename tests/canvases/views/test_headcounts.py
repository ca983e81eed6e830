"""The header of a live canvas shows how many people are in the audience and how many cannot be."""

import pytest
from django.utils import timezone

from audiencesync.people.models.live import SegmentMember, Subscription
from canvases.models import Canvas, ExitTally, Step
from partners.models import Batch, Delivery
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def live(canvas, segment, people, winback):
    """A live canvas with twelve members: seven are in the audience, two cannot be sent."""
    Canvas.objects.filter(pk=canvas.pk).update(
        entry_by="segment", reentry="left", state="live", launched_at=timezone.now()
    )
    entry = Subscription.objects.create(
        app_group=canvas.app_group,
        listener=canvas.pk,
        role="entry",
        kind="segment",
        segment=segment,
        kinds=["email"],
    )
    SegmentMember.objects.bulk_create(
        SegmentMember(subscription=entry, profile=person, fingerprint="f" if person.email else "")
        for person in people
    )
    row = builder.make_sync(winback)
    Step.objects.create(canvas=canvas, kind="audience_sync", sync=row, settings={"removes": True})
    now = timezone.now()
    batch = Batch.objects.create(
        sync=row,
        audience=winback,
        ad_account=winback.ad_account,
        action="add",
        kinds=["email"],
        seq=1,
        state="synced",
        created_at=now,
        due_at=now,
    )
    Delivery.objects.bulk_create(
        Delivery(sync=row, profile=person, entry_key=person.pk, batch=batch)
        for person in people[:7]
    )
    ExitTally.objects.create(canvas=canvas, reason="event", n=4)
    canvas.refresh_from_db()
    return canvas


def words(answer):
    return " ".join(answer.content.decode().split())


def test_the_header_counts_segment_audience_and_people_who_cannot_be_sent(bob_editor, live):
    page = words(bob_editor.get())

    for who, n, label in (
        ("segment", 12, "In the segment"),
        ("audience", 7, "In the audience"),
        ("unsent", 2, "Cannot be sent"),
    ):
        address = f"{bob_editor.url('canvas_people')}?number={who}"
        assert f'<a href="{address}"> {n}<span class="visually-hidden"> {label}</span>' in page


@pytest.mark.parametrize(("who", "n"), [("segment", 12), ("audience", 7), ("unsent", 2)])
def test_each_number_leads_to_its_list(bob_editor, live, who, n):
    answer = bob_editor.get("canvas_people", number=who)

    assert len(answer.context["people"]) == n


def test_the_list_says_why_people_cannot_be_sent(bob_editor, live):
    assert "No usable value in the chosen fields" in words(
        bob_editor.get("canvas_people", number="unsent")
    )


def test_the_list_is_masked_for_viewers(editor_of, vera, live):
    assert "p0@example.org" not in words(
        editor_of(vera, live).get("canvas_people", number="segment")
    )


@pytest.mark.parametrize("who", ["everybody", "1"])
def test_an_unknown_list_is_404(bob_editor, live, who):
    assert bob_editor.get("canvas_people", number=who).status_code == 404


def test_the_list_of_a_canvas_by_launch_is_empty(bob_editor, canvas):
    assert bob_editor.get("canvas_people", number="segment").context["people"] == []


def test_early_exits_are_listed_by_reason(bob_editor, live):
    page = words(bob_editor.get(left=1))

    address = f"{bob_editor.url('canvas_people')}?number=left_event"
    assert (
        f'An exit event happened</th> <td class="num"><a class="people-link" href="{address}"'
        in page
    )
    assert ">4</a>" in page


def test_the_poll_returns_a_changed_number(bob_editor, live):
    version = bob_editor.get().context["flow"].version
    ExitTally.objects.update(n=5)

    answer = bob_editor.get("canvas_counts", htmx=True, v=version)

    assert "Left early 5" in words(answer)
