"""A key of acme with every scope, and a client that uses it."""

import json

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step

# Length of a rate limit's window in seconds. Windows begin at multiples of it since 1970, so the
# present one lasts from 2019 to 2069, and no new one begins during a test.
LONG_WINDOW = 86400.0 * 365 * 50


class Caller:
    """A client of the API. Bodies are dicts, or bytes to send as they are."""

    def __init__(self, key):
        self.key, self.http = key, Client(raise_request_exception=False)

    def post(self, path, body=None, **headers):
        raw = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        content_type = headers.pop("content_type", "application/json")
        return self.http.post(path, raw, content_type=content_type, headers=self._headers(headers))

    def get(self, path, params=None, **headers):
        return self.http.get(path, params or {}, headers=self._headers(headers))

    def track(self, *, status=201, **arrays):
        answer = self.post("/users/track", arrays)
        assert answer.status_code == status, answer.content
        return answer.json()

    def _headers(self, more):
        authorization = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return authorization | {name.replace("_", "-"): value for name, value in more.items()}


@pytest.fixture
def issue_key():
    """issue_key(group, *scopes) -> the text of a new key with these scopes, or with all."""

    def issue(group, *scopes, **more):
        return api_keys.issue(
            group, name="test", scopes=list(scopes or api_keys.SCOPES), by=None, **more
        )[1]

    return issue


@pytest.fixture
def api(acme, issue_key):
    """A caller with a key of acme that may do everything."""
    return Caller(issue_key(acme))


@pytest.fixture
def person():
    """person("ext") -> the profile with that external id."""
    return lambda external_id: Profile.objects.get(external_id=external_id)


@pytest.fixture
def live_canvas(acme, alice):
    """A live canvas for everybody."""
    segment = Segment.objects.create(app_group=acme, name="Everybody")
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=segment)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=alice, now=timezone.now())
    return row
