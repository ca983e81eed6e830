"""schemathesis over our own OpenAPI document: with a key, without one, with the key of another group."""

import itertools
import os

import pytest
import schemathesis
from django.core import signals
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS

from audiencesync.people.models import Profile, Segment
from canvases.models import Canvas

pytestmark = pytest.mark.slow
EXAMPLES = int(
    os.environ.get("FUZZ_EXAMPLES", "48")
)  # of each operation, a quarter for each caller
JUDGED_BY_US = {
    "positive_data_acceptance",
    "negative_data_rejection",
}  # objects are judged one by one, strictly
OF_KEYS = {
    "missing_required_header",
    "ignored_auth",
}  # keys come and go here, whatever the case says
SECRET = "canary-of-acme"


@pytest.fixture(autouse=True)
def _one_connection(db):
    """A real server would give the connection back after each request, and with it the transaction of the test."""
    moments = (signals.request_started, signals.request_finished)
    for moment in moments:
        moment.disconnect(close_old_connections)
    yield
    for moment in moments:
        moment.connect(close_old_connections)


@pytest.fixture
def callers(acme, other_group, issue):
    """In turn: the key of each group, none, and a wrong one."""
    Profile.objects.create(
        app_group=acme, external_id=SECRET, email=SECRET, attributes={"secret": SECRET}
    )
    Segment.objects.create(app_group=acme, name=SECRET)
    Canvas.objects.create(app_group=acme, name=SECRET)
    keys = {"acme": issue(acme), "other": issue(other_group), "nobody": None, "wrong": "ask_wrong"}
    return itertools.cycle(keys.items())


document = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
CHECKED = [check for check in CHECKS.get_all() if check.__name__ not in JUDGED_BY_US | OF_KEYS]


@document.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation(case, callers):
    who, key = next(callers)
    case.headers = {**(case.headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
    answer = case.call()
    case.validate_response(answer, checks=CHECKED)
    assert who in ("acme", "other") or answer.status_code >= 400
    assert who == "acme" or SECRET not in answer.text
