"""The list of canvases: filters, creation and archive at a constant number of queries."""

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models import Segment
from canvases.models import Canvas, Step
from partners.models import Sync
from tests.canvases.counting import count

pytestmark = pytest.mark.django_db
URL = "/g/acme/canvases/"


@pytest.fixture
def bob_client(signed_in, bob):
    return signed_in(bob)


def create_canvases(acme, n, **columns):
    return [Canvas.objects.create(app_group=acme, name=f"Canvas {i}", **columns) for i in range(n)]


def test_a_new_canvas_is_a_draft_of_the_group(bob_client, bob, acme, segment):
    answer = bob_client.post(
        f"{URL}new/", {"name": "Cart 🛒", "segment": segment.pk, "description": "عربي"}
    )

    canvas = Canvas.objects.get()
    assert answer["Location"] == canvas.get_absolute_url()
    assert (canvas.app_group, canvas.name, canvas.state, canvas.segment) == (
        acme,
        "Cart 🛒",
        "draft",
        segment,
    )
    assert (canvas.created_by, canvas.edited_by) == (bob, bob)
    assert Activity.objects.get().verb == "created"


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "x" * 121}, {"name": "a\0"}, {"segment": "9" * 30}, {"segment": "\0"}],
)
def test_an_invalid_canvas_is_rejected(bob_client, segment, wrong):
    answer = bob_client.post(
        f"{URL}new/", {"name": "X", "segment": segment.pk, "description": ""} | wrong
    )

    assert answer.status_code == 422
    assert not Canvas.objects.exists()


def test_a_segment_of_another_group_is_rejected(bob_client, segment, other_group):
    theirs = Segment.objects.create(app_group=other_group, name="Secret")

    answer = bob_client.post(f"{URL}new/", {"name": "X", "segment": theirs.pk})

    assert answer.status_code == 422
    assert "Secret" not in answer.content.decode()


def test_a_viewer_may_not_create_a_canvas(signed_in, vera, segment):
    assert (
        signed_in(vera).post(f"{URL}new/", {"name": "X", "segment": segment.pk}).status_code == 403
    )
    assert "New canvas" not in signed_in(vera).get(URL).content.decode()


def test_archived_canvases_are_shown_only_on_request(bob_client, acme):
    create_canvases(acme, 1, state="archived")

    assert "Canvas 0" not in bob_client.get(URL).content.decode()
    assert "Canvas 0" in bob_client.get(URL, {"state": "archived"}).content.decode()


def test_the_list_is_filtered_by_search_and_state(bob_client, acme):
    create_canvases(acme, 3)
    create_canvases(acme, 1, state="live")

    page = bob_client.get(URL, {"q": "canvas 2", "state": "draft"}).content.decode()

    assert "Canvas 2" in page
    assert "Canvas 1" not in page
    assert "Canvas 0" not in page


@pytest.mark.parametrize("query", [{"state": "x"}, {"q": "\0"}, {"q": "x" * 500}])
def test_an_invalid_filter_is_rejected(bob_client, query):
    assert bob_client.get(URL, query).status_code == 422


def test_another_groups_canvases_are_not_listed(bob_client, other_group):
    Canvas.objects.create(app_group=other_group, name="Secret")

    assert "Secret" not in bob_client.get(URL).content.decode()


@pytest.mark.parametrize(("launched", "state"), [(True, "stopped"), (False, "draft")])
def test_a_restored_canvas_has_its_former_state(bob_editor, canvas, launched, state):
    Canvas.objects.filter(pk=canvas.pk).update(
        state=state, launched_at=timezone.now() if launched else None
    )

    bob_editor.post("canvas_archive")
    canvas.refresh_from_db()
    assert canvas.state == "archived"
    bob_editor.post("canvas_archive", back=1)

    canvas.refresh_from_db()
    assert canvas.state == state


def test_a_live_canvas_is_not_archived(bob_editor, canvas):
    Canvas.objects.filter(pk=canvas.pk).update(state="live")

    bob_editor.post("canvas_archive")

    canvas.refresh_from_db()
    assert canvas.state == "live"
    assert "Stop it first." in bob_editor.get().content.decode()


def test_the_list_sums_pending_and_errors(bob_client, acme, winback):
    canvas = create_canvases(acme, 1)[0]
    sync = Sync.objects.create(
        app_group=acme, audience=winback, action="add", kinds=["email"], label="x", url="/"
    )
    Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync).syncs.add(sync)
    count(sync, entered=9_876, pending=5_432, errored=4_444)

    page = bob_client.get(URL).content.decode()

    assert ">5,432<" in page
    assert ">4,444<" in page


def test_the_canvas_list_has_a_constant_number_of_queries(
    bob_client, acme, bob, django_assert_max_num_queries
):
    def queries():
        with django_assert_max_num_queries(30) as caught:
            bob_client.get(reverse("canvases", args=["acme"]))
        return len(caught)

    create_canvases(acme, 1, edited_by=bob)
    one = queries()
    create_canvases(acme, 30, edited_by=bob)

    assert queries() == one
