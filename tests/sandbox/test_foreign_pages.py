"""A page of another site cannot change the sandbox while the demo runs."""

import pytest

from tiktok_sandbox.pages.routes import answer_page
from tiktok_sandbox.wire import Answer, Request, text


def status(monkeypatch, **headers):
    pages = "tiktok_sandbox.pages.routes.PAGES"
    monkeypatch.setattr(pages, {"/control/": {"POST": lambda _sandbox, _request: text("done")}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer: Answer = answer_page(None, Request("POST", "/control/", {}, named, b"do=reset"))
    return answer.status


@pytest.mark.parametrize(
    "headers",
    [
        {
            "host": "127.0.0.1:8900",
            "sec_fetch_site": "cross-site",
            "origin": "https://evil.example",
        },
        {"host": "127.0.0.1:8900", "sec_fetch_site": "same-site", "origin": "null"},
        {"host": "127.0.0.1:8900", "origin": "https://evil.example"},
        {"host": "127.0.0.1:8900", "origin": "null"},
        {"host": "rebound.evil.example:8900", "sec_fetch_site": "same-origin"},
        {"host": "rebound.evil.example:8900", "origin": "http://rebound.evil.example:8900"},
    ],
)
def test_a_form_of_another_site_is_refused(monkeypatch, headers):
    assert status(monkeypatch, **headers) == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "127.0.0.1:8900"},
        {"host": "localhost:8900", "sec_fetch_site": "same-origin", "origin": "null"},
        {"host": "127.0.0.1:8900", "origin": "http://127.0.0.1:8900"},
        {"host": "sandbox:8900", "sec_fetch_site": "none"},
    ],
)
def test_its_own_forms_and_programs_are_taken(monkeypatch, headers):
    assert status(monkeypatch, **headers) == 200
