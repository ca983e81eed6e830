"""Fuzz the OpenAPI document with schemathesis: with a key, without, and with a foreign key."""

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
# examples of each operation, a quarter for each caller
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "48"))
# the API checks each object of a body for itself, and more strictly than the schema
OWN_VALIDATION = {"positive_data_acceptance", "negative_data_rejection"}
# the callers below replace the key, whatever the case contains
OWN_KEYS = {"missing_required_header", "ignored_auth"}
SECRET = "canary-of-acme"


@pytest.fixture(autouse=True)
def _one_connection(db):
    """Keep the connection, and with it the transaction of the test, between requests."""
    request_signals = (signals.request_started, signals.request_finished)
    for request_signal in request_signals:
        request_signal.disconnect(close_old_connections)
    yield
    for request_signal in request_signals:
        request_signal.connect(close_old_connections)


@pytest.fixture
def callers(acme, other_group, issue_key):
    """Return an endless cycle of the key of each group, no key, and a wrong one."""
    Profile.objects.create(
        app_group=acme, external_id=SECRET, email=SECRET, attributes={"secret": SECRET}
    )
    Segment.objects.create(app_group=acme, name=SECRET)
    Canvas.objects.create(app_group=acme, name=SECRET)
    keys = {
        "acme": issue_key(acme),
        "other": issue_key(other_group),
        "no key": None,
        "wrong": "ask_wrong",
    }
    return itertools.cycle(keys.items())


document = schemathesis.openapi.from_wsgi("/api/openapi.json", get_wsgi_application())
CHECKED = [check for check in CHECKS.get_all() if check.__name__ not in OWN_VALIDATION | OWN_KEYS]


@document.parametrize()
@settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
def test_every_operation_answers_by_its_schema_and_leaks_nothing(case, callers):
    caller, key = next(callers)
    case.headers = {**(case.headers or {}), **({"Authorization": f"Bearer {key}"} if key else {})}
    answer = case.call()
    case.validate_response(answer, checks=CHECKED)
    assert caller in ("acme", "other") or answer.status_code >= 400
    assert caller == "acme" or SECRET not in answer.text
