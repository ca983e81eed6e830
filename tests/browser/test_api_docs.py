"""A key is made on its page and tried in the documentation, which the app serves itself under its own strict policy."""

import re

from playwright.sync_api import expect


def test_a_key_is_made_and_tried(open_page, sign_in, stack):
    page = open_page()
    strangers = []
    page.on("request", lambda request: strangers.append(request.url) if not request.url.startswith(stack.url) else None)
    sign_in(page)
    page.goto("/g/acme/keys/")
    page.get_by_label("Name").fill("Shop")
    page.get_by_label("Write profiles, events and purchases").check()
    page.get_by_role("button", name="Create key").click()
    key = page.locator("#new-key").inner_text()
    assert re.fullmatch(r"ask_\w{8}_[\w-]{43}", key)
    page.get_by_role("link", name="Documentation of the API").click()
    page.get_by_role("button", name="Authorize").click()
    page.locator("#auth-bearer-value, .auth-container input").first.fill(key)
    page.locator(".auth-btn-wrapper button[type=submit]").click()
    page.locator(".btn-done").click()
    page.get_by_text("/users/track", exact=True).click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea.body-param__text").fill('{"attributes": [{"external_id": "tried", "plan": "gold"}]}')
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("201")
    page.goto("/g/acme/people/profiles/?q=tried")
    expect(page.get_by_role("link", name="tried")).to_be_visible()
    assert strangers == []
