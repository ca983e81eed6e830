"""Accept a chunked body where the server detects its end; refuse it elsewhere."""

import io
import json

import pytest
from django.test.client import ClientHandler

from audiencesync.people.models import Profile

BODY = json.dumps({"attributes": [{"external_id": "a"}]}).encode()


def post(api, body, **more):
    """Return status and answer of a request built as gunicorn builds it."""
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/users/track",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "testserver",
        "HTTP_AUTHORIZATION": f"Bearer {api.key}",
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
    }
    answer = ClientHandler()(environ | more)
    return answer.status_code, json.loads(answer.content)


def test_a_chunked_body_with_a_known_end_is_accepted(api):
    assert post(api, BODY, **{"wsgi.input_terminated": True})[0] == 201
    assert Profile.objects.get().external_id == "a"


def test_a_chunked_body_supports_an_idempotency_key(api):
    more = {"wsgi.input_terminated": True, "HTTP_IDEMPOTENCY_KEY": "k"}
    assert [post(api, BODY, **more)[0] for _turn in range(2)] == [201, 201]
    assert post(api, BODY.replace(b'"a"', b'"b"'), **more)[0] == 422


def test_a_chunked_body_without_a_known_end_is_refused(api):
    status, answer = post(api, BODY)
    assert (status, "Content-Length" in answer["message"]) == (411, True)
    assert not Profile.objects.exists()


@pytest.mark.parametrize("head", [b"", b"{"])
def test_an_endless_chunked_body_is_refused(api, settings, head):
    status, _answer = post(
        api,
        head + b" " * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1),
        **{"wsgi.input_terminated": True},
    )
    assert status == 413
