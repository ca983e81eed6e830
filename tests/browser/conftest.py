"""A real browser (Debian's Chromium) and a running AudienceSync.

`stack` runs per test file. A look is a language and a width. `page` comes once per look and fails
the test for console errors and blocked content; `open_page(language, width, javascript=False)`
opens others. `sign_in(page)` enters the demo; `shoot("name")` keeps a picture in
build/screenshots.
"""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from audiencesync.core.demo_accounts import ADMIN
from tests.browser import actions
from tests.support import migrated
from tests.support import stack as stacks

CHROMIUM = "/usr/bin/chromium-headless-shell"  # Chromium without its own windows and menus
SCREENSHOTS = stacks.ROOT / "build" / "screenshots"
TIMEOUT_MS = 30_000  # for a busy machine
expect.set_options(timeout=TIMEOUT_MS)
LOOKS = [("en", 1280), ("en", 390), ("de", 1280), ("de", 390)]
# Console errors of a page that works: Chromium reports an invalid form (422), a stale save (409)
# and a failed authorisation (400); htmx drops a count whose condition was removed meanwhile.
EXPECTED_ERRORS = re.compile(
    r"Failed to load resource: the server responded with a status of (400|409|422)"
    r"|htmx:oobErrorNoTarget, #(n|why|type)-[\d\\]"
)


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """Return a prepared folder (database, static files, demo) that each stack starts from."""
    var = migrated.into(tmp_path_factory.mktemp("template"))
    return var, stacks.prepare(var)


@pytest.fixture(scope="module")
def stack(template, tmp_path_factory):
    """Yield web, engine and sandbox with the demo, new for each test file."""
    var, demo_output = template
    folder = stacks.copy_to(var, tmp_path_factory.mktemp("stack"))
    stack = stacks.Stack(folder, demo_output=demo_output)
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser, stack):
    """open_page(language, width, javascript=True) -> a page with new cookies at the stack."""
    console_errors, contexts = [], []

    def listen(page: Page) -> None:
        page.on(
            "console",
            lambda message: message.type == "error" and console_errors.append(message.text),
        )
        page.on("pageerror", lambda error: console_errors.append(str(error)))

    def open_one(language: str = "en", width: int = 1280, *, javascript: bool = True) -> Page:
        context = actions.new_context(
            browser,
            stack,
            locale={"en": "en-GB", "de": "de-DE"}[language],
            viewport={"width": width, "height": 844 if width < 600 else 800},
            java_script_enabled=javascript,
        )
        context.set_default_timeout(TIMEOUT_MS)
        context.on("page", listen)
        contexts.append(context)
        return context.new_page()

    yield open_one
    for context in contexts:
        context.close()
    assert [text for text in console_errors if not EXPECTED_ERRORS.search(text)] == []


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def look(request):
    """Return (language, width)."""
    return request.param


@pytest.fixture
def page(open_page, look):
    return open_page(*look)


@pytest.fixture
def sign_in():
    """sign_in(page, "viewer@example.org") signs a user of the demo in, by default the admin."""

    def sign_in_as(page: Page, email: str = ADMIN) -> None:
        page.goto("/accounts/login/")
        actions.sign_in(page, email)

    return sign_in_as


@pytest.fixture
def keep_picture():
    """keep_picture(page, "name") keeps a picture of the whole page in build/screenshots."""

    def keep(page: Page, name: str) -> None:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    return keep


@pytest.fixture
def shoot(look, page, keep_picture):
    """shoot("name") keeps a picture under the language and the width."""
    return lambda name: keep_picture(page, f"{look[0]}-{look[1]}-{name}")


@pytest.fixture
def admin_page(open_page, sign_in):
    """Return a page of the admin of a connected group."""
    page = open_page("en", 1280)
    sign_in(page)
    actions.ensure_connected(page)
    return page


@pytest.fixture(scope="module")
def step_with_errors(browser, stack):
    """Return the address of the page of a step that has synced people and three errored ones."""
    context = actions.new_context(browser, stack, locale="en-GB")
    page = context.new_page()
    page.goto("/accounts/login/")
    actions.sign_in(page)
    actions.ensure_connected(page)
    actions.new_canvas(page, "Three errors")
    actions.add_sync(page, "Three errors")
    actions.call_sandbox(
        stack, "faults", {"kind": "partial", "rows": [0, 1, 2], "named": True, "count": 1}
    )
    actions.launch(page)
    actions.open_step(page, 1)
    expect(page.locator("#panel [data-metric=errored]")).to_have_text("3", timeout=90_000)
    actions.call_sandbox(stack, "faults", method="DELETE")
    canvas = actions.CANVAS.search(page.url)[0]
    step = re.search(r"step=(\d+)", page.url)[1]
    context.close()
    return f"/g/acme{canvas}steps/{step}/numbers/"
