"""The shown API call lets a person enter with a key that may do nothing else."""

import json

import pytest

from audiencesync.people.models import Profile
from canvases.entry_card import api_call
from canvases.models import Canvas, Step

pytestmark = pytest.mark.django_db


def test_the_shown_call_lets_a_person_enter(canvas, api, issue_key):
    Canvas.objects.filter(pk=canvas.pk).update(state="live", entry_by="call")
    Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 1, "unit": "days"})
    Profile.objects.create(app_group=canvas.app_group, external_id="ann")
    body = json.loads(api_call.curl(canvas).split("-d '")[1].rstrip("'").replace("USER_ID", "ann"))

    api.key = issue_key(canvas.app_group, "canvas.trigger")

    answer = api.post("/canvas/trigger/send", body)

    assert answer.json()["entered"] == 1
