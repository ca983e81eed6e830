"""Every page, language, width and colour: no axe violation, one h1, own title, no wide content.

The fixture `open_page` watches the console, which also reports blocks of the
Content-Security-Policy.
"""

import pytest
from playwright.sync_api import expect

from tests.browser import actions
from tests.browser.accessible import violations

DARK = [("en", 390), ("de", 1280)]  # the others are light
PAGES = [
    "/groups/",
    "/g/acme/overview/",
    "/g/acme/audiences/",
    "/g/acme/audiences/1/",
    "/g/acme/audiences/1/delete/",
    "/g/acme/canvases/",
    "/g/acme/canvases/new/",
    "/g/acme/partners/",
    "/g/acme/partners/tiktok/",
    "/g/acme/partners/tiktok/disconnect/",
    "/g/acme/partners/tiktok/change/",
    "/g/acme/partners/tiktok/ad-accounts/1/audiences/",
    "/g/acme/people/profiles/",
    "/g/acme/people/profiles/1/",
    "/g/acme/people/segments/",
    "/g/acme/people/segments/new/",
    "/g/acme/people/segments/1/",
    "/g/acme/people/segments/2/remove/",
    "/g/acme/analytics/",
    "/g/acme/help/",
    "/g/acme/health/",
    "/g/acme/health/notices/",
    "/api/docs",
    "/g/acme/members/",
    "/g/acme/activity/",
    "/g/acme/keys/",
    "/g/acme/settings/",
    "/analytics/",
    "/analytics/steps/1/",
    "/staff/tables/",
    "/staff/tables/partners/batch/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
]
SIGNED_OUT = ["/accounts/login/", "/accounts/password/reset/"]


@pytest.fixture(scope="module")
def canvas_paths(stack, browser):
    """Return the paths of a live canvas and an incomplete draft in a connected group."""
    page = actions.new_context(browser, stack).new_page()
    page.goto("/accounts/login/")
    actions.sign_in(page)
    actions.ensure_connected(page)
    actions.new_canvas(page, "Live one")
    actions.add_sync(page, "Live audience")
    actions.launch(page)
    live = page.url.split("?")[0]
    actions.new_canvas(page, "Draft with gaps")
    actions.add_step(page, "audience_sync")
    draft = page.url.split("?")[0]
    page.context.close()
    return live.removeprefix(stack.url), draft.removeprefix(stack.url)


@pytest.fixture
def page(open_page, look):
    page = open_page(*look)
    page.emulate_media(color_scheme="dark" if look in DARK else "light")
    return page


def visit(page, look, addresses, titles=None):
    problems = []
    for address in addresses:
        assert page.goto(address).status == 200, address
        problems += violations(page, look)
        if titles is not None:
            titles.append(page.title())
    return problems


def test_every_page(page, look, sign_in, canvas_paths, keep_picture):
    titles = []
    problems = visit(page, look, SIGNED_OUT, titles)
    sign_in(page)
    problems += visit(
        page, look, [*PAGES, *canvas_paths, f"{canvas_paths[0]}numbers/?range=all"], titles
    )
    problems += visit(page, look, [f"{canvas_paths[0]}people/?number=entered"], titles)
    problems += visit(page, look, [f"{canvas_paths[0]}rehearse/?who=typical"], titles)
    expect(page.locator("#entry")).to_be_visible()
    page.locator("html.js").wait_for()
    keep_picture(page, f"{look[0]}-{look[1]}-draft-{'dark' if look in DARK else 'light'}")
    assert problems == []
    assert sorted(titles) == sorted(set(titles))
    assert all(title.endswith("AudienceSync") for title in titles)


def violations_of_reasons(page, look, live):
    """Return the violations of the reasons in the panel, and of the list behind a number."""
    page.goto(live)
    page.locator("#flow .step").nth(1).click()
    page.locator("#panel a[href*='reasons=1']").click()
    expect(page.locator("#reasons")).to_be_focused()
    # A link that is half under the tabs of the panel is too small for axe.
    page.evaluate("document.querySelectorAll('#panel, #panel *').forEach(e => e.scrollTop = 0)")
    problems = violations(page, look)
    page.locator("#reasons a.people-link").first.click()
    expect(page.locator("tr[data-delivery]").first).to_be_visible()
    return problems + violations(page, look)


def test_every_panel_of_the_canvas(page, look, sign_in, canvas_paths):
    live, draft = canvas_paths
    sign_in(page)
    page.goto(draft)
    step = page.locator("#flow .step").nth(1).get_attribute("href").split("#")[0]
    problems = visit(
        page,
        look,
        [
            step,
            f"{step}&tab=who",
            f"{draft}?entry=1",
            f"{draft}?add=first",
            f"{draft}?launch=1",
            f"{live}?stop=1",
        ],
    )
    page.goto(step)
    actions.pick_account(page)
    page.locator("input[name=audience_name]").press_sequentially("a")
    expect(page.locator("[role=option]").first).to_be_visible()
    problems += violations(page, look)
    page.keyboard.press("Escape")
    page.locator("input[name=audience_name]").fill("")
    page.locator("#panel [data-save]").click()
    expect(page.locator("#panel [role=alert]")).to_be_focused()
    problems += violations(page, look)
    page.goto(live)
    page.locator("#flow .step").nth(1).click()
    expect(page.locator("#panel [data-metric=synced]")).not_to_have_text("0")
    page.locator("#panel a[href$='/numbers/']").click()
    expect(page.locator("#by-time svg[role=img] rect").first).to_be_visible()
    problems += violations(page, look)
    page.locator("#view-2").click()
    expect(page.locator("#by-time tfoot")).to_be_visible()
    assert page.url.endswith("view=table")
    problems += violations(page, look)
    problems += violations_of_reasons(page, look, live)
    assert problems == []


def test_dialogs_and_errors(page, look, sign_in, canvas_paths):
    sign_in(page)
    page.goto("/g/acme/partners/tiktok/")
    page.locator("a[href$='/tiktok/disconnect/']").click()
    expect(page.locator("dialog[open] #dialog-title")).to_be_focused()
    problems = violations(page, look)
    page.goto("/g/acme/canvases/new/")
    page.locator("main form[method=post] button").click()
    expect(page.locator("main [role=alert]")).to_be_focused()
    problems += violations(page, look)
    assert problems == []


def test_the_pages_of_the_sandbox(page, look, sign_in, stack):
    sign_in(page)
    page.goto("/g/northwind/partners/tiktok/")
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url("**/portal/auth**")
    problems = violations(page, look)
    problems += visit(
        page,
        look,
        [f"{stack.sandbox_url}/{path}" for path in ("ads-manager/?refresh=off", "control/")],
    )
    assert problems == []
