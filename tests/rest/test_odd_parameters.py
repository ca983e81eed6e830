"""Odd GET parameters and timestamps with odd offsets get a JSON answer, never a 5xx."""

import pytest

from audiencesync.people.models import Event, Profile
from canvases.models import Canvas

PARAMETERS = {
    "/canvas/list": ["page", "include_archived", "sort_direction", "last_edit.time[gt]"],
    "/canvas/details": ["canvas_id"],
    "/canvas/data_series": [
        "canvas_id",
        "ending_at",
        "starting_at",
        "length",
        "include_step_breakdown",
    ],
    "/segments/list": ["page", "sort_direction"],
    "/segments/details": ["segment_id"],
    "/audiences": ["page"],
    "/deliveries": ["external_id", "braze_id", "alias_label", "alias_name", "before"],
    "/users/erasures": ["key"],
}
NUL = ["\0", "a\0b"]
ODD_VALUES = [
    "",
    "0",
    "-1",
    "9" * 19,
    "9" * 20,
    "9" * 5000,
    "null",
    "٣",
    "[]",
    "NaN",
    "1e3",
    "x" * 5000,
    "\ud83d",
    "\u202e",
    "😀",
]
TIMESTAMPS = [
    "2026-11-01T00:00:00+16:00",
    "2026-11-01T00:00:00+23:59",
    "2026-11-01T00:00:00-23:59:59.999999",
]
TIMESTAMPS += [
    "9998-12-31T23:59:59-23:59",
    "1970-01-01T00:00:00+23:59",
    "2026-02-30",
    "2026-W44-7",
    "2026-11-01T24:00:00",
]
FIELDS = [(path, name) for path, names in PARAMETERS.items() for name in names]


@pytest.fixture
def get(api, acme):
    canvas = Canvas.objects.create(app_group=acme, name="Cart")
    api.track(attributes=[{"external_id": "a"}])
    whole = {
        "/canvas/data_series": {"canvas_id": canvas.api_id, "ending_at": "2026-11-01", "length": 1}
    }
    whole["/deliveries"] = {"alias_label": "l", "alias_name": "n"}

    def call(path, name, value):
        others = whole.get(path, {}) if not name.endswith("_id") else {}
        text = value.encode("utf-8", "surrogatepass")
        return api.get(path, others | {name: text})

    return call


@pytest.mark.parametrize("value", NUL)
@pytest.mark.parametrize(("path", "name"), FIELDS)
def test_a_nul_is_refused(get, path, name, value):
    answer = get(path, name, value)
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/json")
    assert "NUL" in answer.json()["message"]


@pytest.mark.parametrize(("path", "name"), FIELDS)
def test_an_odd_value_is_answered_in_json(get, path, name):
    for value in [*ODD_VALUES, *TIMESTAMPS]:
        answer = get(path, name, value)
        assert answer.status_code in (200, 400), (value, answer.content)
        assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "offset", ["+16:00", "+23:59", "-23:59", "+00:00:00.000001", "-15:59:59.999999"]
)
def test_an_event_with_an_odd_offset_is_stored(api, offset):
    api.track(events=[{"external_id": "a", "name": "cart", "time": f"2026-01-01T00:00:00{offset}"}])
    assert Event.objects.get().at.year in (2025, 2026)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999-23:59"])
def test_a_far_future_time_becomes_now(api, time):
    api.track(events=[{"external_id": "a", "name": "cart", "time": time}])
    assert Event.objects.get().at.year < 2999


def test_a_key_in_the_url_is_refused_beside_a_valid_header(api):
    for path in ("/canvas/list", "/users/track"):
        answer = (
            api.post(f"{path}?api_key=x", {"attributes": [{"external_id": "a"}]})
            if "track" in path
            else api.get(path, {"api_key": api.key})
        )
        assert answer.status_code == 401
        assert "address" in answer.json()["message"]
    assert not Profile.objects.exists()
