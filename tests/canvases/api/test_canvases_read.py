"""GET /canvas/* and /segments/* for the app group of the key only."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, CanvasHour, Step

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def segment(acme):
    return Segment.objects.create(app_group=acme, name="Everybody")


@pytest.fixture
def canvas(acme, segment, bob):
    row = Canvas.objects.create(
        app_group=acme, name="Cart", description="Left it", segment=segment, created_by=bob
    )
    first = Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    Step.objects.create(
        canvas=row, kind="delay", parent=first, settings={"amount": 1, "unit": "days"}
    )
    return row


@pytest.fixture
def other_canvas(other_group):
    return Canvas.objects.create(app_group=other_group, name="Not yours")


def test_the_list_holds_the_canvases_of_the_group(api, canvas, other_canvas):
    body = api.get("/canvas/list").json()
    assert body["message"] == "success"
    assert [(row["id"], row["name"], row["tags"]) for row in body["canvases"]] == [
        (str(canvas.api_id), "Cart", [])
    ]


def test_a_page_past_the_end_is_empty(api, canvas):
    assert api.get("/canvas/list", {"page": 1}).json()["canvases"] == []


def test_archived_canvases_are_listed_on_request(api, canvas):
    Canvas.objects.update(state="archived")
    assert api.get("/canvas/list").json()["canvases"] == []
    assert len(api.get("/canvas/list", {"include_archived": "true"}).json()["canvases"]) == 1


def test_the_list_is_sorted_by_age(api, acme, canvas):
    newer = Canvas.objects.create(app_group=acme, name="Newer")
    canvases = api.get("/canvas/list", {"sort_direction": "desc"}).json()["canvases"]
    assert [row["id"] for row in canvases] == [str(newer.api_id), str(canvas.api_id)]


@pytest.mark.parametrize(
    ("day", "n"), [("2026-11-22", 1), ("2026-11-24", 0), ("2026-11-23T13:00:00Z", 0)]
)
def test_the_list_is_filtered_by_the_last_edit(api, canvas, day, n):
    Canvas.objects.update(edited_at=NOW)
    assert len(api.get("/canvas/list", {"last_edit.time[gt]": day}).json()["canvases"]) == n


@pytest.mark.parametrize(
    "params",
    [
        {"page": "-1"},
        {"page": "x"},
        {"sort_direction": "up"},
        {"last_edit.time[gt]": "soon"},
        {"page": "9" * 30},
    ],
)
def test_invalid_parameters_are_rejected(api, params):
    answer = api.get("/canvas/list", params)
    assert answer.status_code == 400
    assert answer.json()["message"] != "success"


def test_unknown_parameters_are_ignored(api, canvas):
    assert api.get("/canvas/list", {"utm": "x"}).status_code == 200


def test_details_have_the_steps_in_order(api, canvas):
    body = api.get("/canvas/details", {"canvas_id": canvas.api_id}).json()
    first, second = body["steps"]
    assert (body["name"], body["description"], body["draft"], body["enabled"]) == (
        "Cart",
        "Left it",
        True,
        False,
    )
    assert first["next_step_ids"] == [second["id"]]
    assert body["variants"][0]["first_step_id"] == first["id"]
    assert body["first_entry"] is None


@pytest.mark.parametrize("path", ["/canvas/details", "/canvas/data_series"])
def test_a_canvas_of_another_group_is_unknown(api, other_canvas, path):
    query = {"canvas_id": other_canvas.api_id, "length": 1, "ending_at": "2026-11-23"}
    answer = api.get(path, query)
    unknown = api.get(path, query | {"canvas_id": uuid4()})
    assert answer.status_code == unknown.status_code == 400
    assert answer.json()["message"] == unknown.json()["message"]


@pytest.mark.parametrize("invalid", ["x", "-1", "1.5", "9" * 25, "", "١"])
def test_an_invalid_id_is_rejected(api, invalid):
    assert api.get("/canvas/details", {"canvas_id": invalid}).status_code == 400


def test_entries_are_counted_by_day_in_the_time_zone_of_the_group(api, acme, canvas, alice):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    Profile.objects.bulk_create([Profile(app_group=acme, external_id=f"p{n}") for n in range(3)])
    engine.launch(canvas, by=alice, now=timezone.now())
    late = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # the 23rd in Berlin
    engine.admit(canvas.pk, now=late)
    query = {
        "canvas_id": canvas.api_id,
        "length": 2,
        "ending_at": "2026-11-23T12:00:00Z",
        "include_step_breakdown": "true",
    }
    data = api.get("/canvas/data_series", query | {"include_variant_breakdown": "true"}).json()[
        "data"
    ]
    assert [(day["time"], day["total_stats"]["entries"]) for day in data["stats"]] == [
        ("2026-11-22", 0),
        ("2026-11-23", 3),
    ]
    assert data["stats"][1]["variant_stats"][str(canvas.api_id)]["entries"] == 3
    assert len(data["stats"][0]["step_stats"]) == 2
    assert CanvasHour.objects.get().entered == 3
    assert (
        api.get("/canvas/details", {"canvas_id": canvas.api_id})
        .json()["first_entry"]
        .startswith("2026-11-22T23:30")
    )


@pytest.mark.parametrize(
    "invalid",
    [
        {"length": "15"},
        {"length": "0"},
        {},
        {"starting_at": "2026-11-01"},
        {"starting_at": "2026-11-24"},
        {"length": "1", "ending_at": "0001-01-01"},
    ],
)
def test_invalid_periods_are_rejected(api, canvas, invalid):
    assert (
        api.get(
            "/canvas/data_series", {"canvas_id": canvas.api_id, "ending_at": "2026-11-23"} | invalid
        ).status_code
        == 400
    )


def test_segments_are_listed_with_details(api, segment, acme, other_group):
    Segment.objects.create(app_group=other_group, name="Not yours")
    Profile.objects.create(app_group=acme, external_id="a", created_at=NOW - timedelta(days=1))
    (row,) = api.get("/segments/list").json()["segments"]
    assert (row["id"], row["name"]) == (str(segment.api_id), "Everybody")
    body = api.get("/segments/details", {"segment_id": row["id"]}).json()
    assert (body["name"], body["size"], body["message"]) == ("Everybody", 1, "success")


def test_a_segment_of_another_group_is_unknown(api, other_group):
    foreign = Segment.objects.create(app_group=other_group, name="Not yours")
    assert api.get("/segments/details", {"segment_id": foreign.api_id}).status_code == 400


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/canvas/list", "canvas.read"),
        ("/segments/list", "segments.read"),
        ("/audiences", "audiences.read"),
    ],
)
def test_each_endpoint_needs_its_scope(acme, issue_key, api, path, scope):
    assert api.get(path).status_code == 200
    api.key = issue_key(acme, "users.track")
    assert api.get(path).status_code == 403
    api.key = issue_key(acme, scope)
    assert api.get(path).status_code == 200
