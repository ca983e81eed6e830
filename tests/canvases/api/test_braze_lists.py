"""Lists that Braze connectors read first, and parameters as connectors write them."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile, Segment
from canvases import engine

WHEN = "2026-11-01T10:00:00Z"


def get(api, path, **params):
    answer = api.get(path, params)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_unsupported_lists_are_empty(api):
    assert get(api, "/campaigns/list", page=0) == {"message": "success", "campaigns": []}
    assert get(api, "/feed/list") == {"message": "success", "cards": []}


def test_event_names_are_unique_and_of_this_group_only(api, other_group):
    events = [
        {"external_id": "a", "name": name, "time": WHEN}
        for name in ("cart", "visit", "cart", "Ärger")
    ]
    bought = {
        "external_id": "a",
        "product_id": "dress",
        "currency": "EUR",
        "price": 1,
        "time": WHEN,
    }
    api.track(events=events, purchases=[bought])
    eve = Profile.objects.create(app_group=other_group, external_id="eve")
    Event.objects.create(app_group=other_group, profile=eve, name="secret", at=timezone.now())
    assert sorted(get(api, "/events/list")["events"]) == ["cart", "visit", "Ärger"]


def test_event_names_are_paged(api, acme):
    ann = Profile.objects.create(app_group=acme, external_id="a")
    now = timezone.now()
    Event.objects.bulk_create(
        Event(app_group=acme, profile=ann, name=f"e{n:04}", at=now) for n in range(260)
    )
    pages = [get(api, "/events/list", page=n)["events"] for n in range(3)]
    assert [len(page) for page in pages] == [250, 10, 0]
    assert pages[0] + pages[1] == [f"e{n:04}" for n in range(260)]


def test_the_size_of_a_segment_is_known_for_today_only(api, acme):
    row = Segment.objects.create(app_group=acme, name="All")
    api.track(attributes=[{"external_id": "a"}])
    query = {"segment_id": get(api, "/segments/list")["segments"][0]["id"]}
    (day,) = get(api, "/segments/data_series", **query, length=7)["data"]
    assert (day["size"], row.name) == (1, "All")
    assert (
        get(api, "/segments/data_series", **query, length=7, ending_at="2020-01-01")["data"] == []
    )


def test_a_summary_is_the_sum_of_the_days(api, live_canvas):
    api.track(attributes=[{"external_id": "a"}, {"external_id": "b"}])
    engine.admit_all(live_canvas.pk)
    engine.admit(live_canvas.pk, now=timezone.now())
    query = {"canvas_id": get(api, "/canvas/list")["canvases"][0]["id"], "length": 3}
    more = {"include_variant_breakdown": "true", "include_step_breakdown": "true"}
    days = get(api, "/canvas/data_series", **query, **more)["data"]["stats"]
    answer = get(api, "/canvas/data_summary", **query, **more)["data"]
    assert (
        answer["total_stats"]["entries"] == sum(day["total_stats"]["entries"] for day in days) == 2
    )
    assert set(answer["variant_stats"]) == set(days[0]["variant_stats"])
    assert set(answer["step_stats"]) == set(days[0]["step_stats"])
    assert {stats["name"] for stats in answer["step_stats"].values()} == {"delay"}
    assert "time" not in answer


@pytest.mark.parametrize(
    "path", ["/canvas/list", "/segments/list", "/audiences", "/campaigns/list", "/events/list"]
)
def test_an_empty_parameter_means_its_default(api, path):
    assert get(api, path, page="", sort_direction="") == get(api, path)


def test_an_empty_time_means_no_filter(api, live_canvas):
    answer = get(api, "/canvas/list", **{"last_edit.time[gt]": "", "include_archived": ""})
    assert len(answer["canvases"]) == 1


def test_a_missing_end_means_now(api, live_canvas):
    query = {"canvas_id": get(api, "/canvas/list")["canvases"][0]["id"], "length": 1}
    assert len(get(api, "/canvas/data_series", **query, ending_at="")["data"]["stats"]) == 1
