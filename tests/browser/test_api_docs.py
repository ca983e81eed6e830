"""An API key is created and copied on its page, and works in the documentation's example."""

import json
import re
import urllib.request

from playwright.sync_api import expect


def test_a_new_key_works_in_the_example_of_the_documentation(open_page, sign_in, stack):
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    foreign_urls = []
    page.on(
        "request",
        lambda request: (
            foreign_urls.append(request.url) if not request.url.startswith(stack.url) else None
        ),
    )
    sign_in(page)
    page.goto("/g/acme/keys/")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Write profiles, events and purchases").check()
    page.get_by_role("button", name="Create key").click()
    page.locator("[data-copy='#new-key']").click()
    expect(page.locator("#toasts")).to_contain_text("Copied.")
    key = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(r"ask_\w{8}_[\w-]{43}", key)
    page.get_by_role("link", name="Documentation of the API").click()
    example = page.locator("#users-track-curl").inner_text()
    body = re.search(r"-d '(.*)'", example, re.DOTALL)[1]
    assert "Authorization: Bearer $API_KEY" in example
    call = urllib.request.Request(f"{stack.url}/users/track", body.encode())
    call.add_header("Authorization", f"Bearer {key}")
    call.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(call, timeout=60) as answer:
        assert (answer.status, json.load(answer)["message"]) == (201, "success")
    page.goto("/g/acme/people/profiles/")
    expect(page.get_by_role("link", name="customer-1")).to_be_visible()
    assert foreign_urls == []
