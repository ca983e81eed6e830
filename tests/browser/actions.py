"""Actions of a marketer in the browser, in any language, with and without JavaScript."""

import json
import re
import urllib.request

from playwright.sync_api import expect

from tests.support.stack import ADMIN, PASSWORD

METRICS = ("entered", "proceeded", "synced", "not_synced", "pending", "errored", "exited")
PARTNER = re.compile("/partners/tiktok/$")
CHOICE = re.compile(r"/partners/tiktok/choose/\d+/$")
CANVAS = re.compile(r"/canvases/\d+/")
IDENTIFIERS = ("email", "phone", "idfa", "gaid")


def sign_in(page, email=ADMIN):
    """Fill and submit the open sign-in form."""
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form:has(input[name=password]) button").first.click()
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def has_javascript(page):
    """Return whether the page runs scripts, which then set this class."""
    return page.locator("html.js").count() == 1


def go(page, place):
    """Open a page by the main navigation: canvases, segments, partners, analytics."""
    link = page.locator(f"#nav a[href$='/{place}/']")
    if not link.is_visible():
        page.locator("[data-menu-toggle]").click()
    link.click()
    page.wait_for_url(re.compile(f"/{place}/$"))


def authorise(page, user="Mara"):
    """Go from the partner page through TikTok's page to the choice of ad accounts."""
    change = page.locator("a[href$='/tiktok/change/']")
    if change.count():
        change.click()
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    page.locator("label", has_text=user).click()
    page.locator("button[name=confirm]").click()
    page.wait_for_url(CHOICE)


def connect(page, *accounts, user="Mara"):
    """Connect, or change the account, with exactly these ad accounts; confirm what that breaks."""
    authorise(page, user)
    for label in page.locator("label.form-check:has(input[name=ad_accounts])").all():
        is_chosen = any(name in label.inner_text() for name in accounts)
        label.locator("input").set_checked(is_chosen)
    confirm = page.locator("input[name=confirm]")
    if confirm.count():
        confirm.check()
    page.locator(".card-footer button.btn-primary").click()
    page.wait_for_url(PARTNER)


def ensure_connected(page, group="acme"):
    """Connect the group with two ad accounts, unless it already has them."""
    page.goto(f"/g/{group}/partners/tiktok/")
    if page.locator("main a[href$='/audiences/']").count() < 2:
        connect(page, "Acme EU", "Acme UK")


def new_context(browser, stack, **how):
    """Return a context without animations: on a busy machine, a click misses what still moves."""
    return browser.new_context(base_url=stack.url, reduced_motion="reduce", **how)


def new_canvas(page, name, segment="Newsletter subscribers"):
    page.goto("/g/acme/canvases/new/")
    page.locator("input[name=name]").fill(name)
    page.locator("select[name=segment]").select_option(label=segment)
    page.locator("main form[method=post] button").click()
    page.wait_for_url(re.compile(r"/canvases/\d+/$"))


def show_flow(page):
    """Close the panel where it hides the flow: on a phone."""
    if page.locator("#panel.is-open").count() and not page.locator("#flow").is_visible():
        page.locator("#panel-close").click()
        expect(page.locator("#flow")).to_be_visible()


def add_step(page, kind):
    """Add a step after the last one; its editor is open afterwards."""
    show_flow(page)
    page.locator(".step-add").last.click()
    page.locator(f"button[data-kind={kind}]").click()
    expect(page.locator("#step-form")).to_be_visible()
    expect(page.locator("#flow .step").last).to_have_attribute("aria-current", "true")


def add_delay(page, seconds=1):
    add_step(page, "delay")
    page.locator("input[name=amount]").fill(str(seconds))
    page.locator("select[name=unit]").select_option("seconds")
    save(page)


def save(page):
    """Save the open step and expect the success message."""
    page.locator("#step-form .btn-primary").click()
    expect_success(page)


def expect_success(page):
    """Expect the success toast, or without JavaScript the success message on the page."""
    toast = page.locator("#toasts .alert-success, #messages .alert-success").last
    expect(toast).to_be_visible()
    if has_javascript(page):
        toast.locator("[data-dismiss]").click()


def pick_account(page, name="Acme EU"):
    """Choose the ad account and wait for its audiences."""
    account = page.locator("select[name=ad_account]")
    value = account.locator("option", has_text=name).get_attribute("value")
    if not has_javascript(page):
        account.select_option(value)
        page.locator("button[formaction$='/choices/']").click()
        return
    # Mark the fields that are there: those that replace them have no mark.
    page.locator("#audience-fields").evaluate(
        "element => element.toggleAttribute('data-before', true)"
    )
    account.select_option(value)
    expect(page.locator("#audience-fields:not([data-before]) [role=combobox]")).to_be_visible()


def tick_identifiers(page, identifiers=IDENTIFIERS):
    for identifier in identifiers:
        page.locator(f"input[name=kinds][value={identifier}]").check()


def name_audience(page, name):
    """Type a new name and choose the option that creates it."""
    box = page.locator("input[name=audience_name]")
    if not has_javascript(page):
        box.fill(name)
        return
    box.press_sequentially(name)
    page.locator("[role=option][data-new]").click()


def choose_audience(page, name):
    """Choose an existing audience from the list."""
    if not has_javascript(page):
        value = page.locator("select[name=audience] option", has_text=name).get_attribute("value")
        page.locator("select[name=audience]").select_option(value)
        return
    page.locator("input[name=audience_name]").click()
    page.locator("[role=option]").filter(has=page.locator(f"bdi:text-is('{name}')")).click()


def add_sync(
    page, audience, *, action="add", is_new=True, identifiers=IDENTIFIERS, account="Acme EU"
):
    """Add a complete Audience Sync step and save it."""
    add_step(page, "audience_sync")
    pick_account(page, account)
    (name_audience if is_new else choose_audience)(page, audience)
    page.locator(f"input[name=action][value={action}]").check()
    tick_identifiers(page, identifiers)
    if is_new:
        page.locator("[data-create]").click()
        expect(
            page.locator("#panel .alert-success, #messages .alert-success").first
        ).to_contain_text(audience)
    save(page)


def open_launch(page):
    show_flow(page)
    page.locator("#canvas-head a[href$='?launch=1']:not(.no-js-only)").click()
    expect(page.locator("#checklist")).to_be_visible()


def launch(page):
    open_launch(page)
    expect(page.locator("#checklist .text-bad")).to_have_count(0)
    page.locator("#panel form button").click()
    expect_live(page)


def expect_live(page):
    """Expect a canvas that is live and has no problem."""
    # On a busy machine a call to the sandbox may fail; the retry takes up to 30 s.
    expect(page.locator("#canvas-head .pill-good")).to_be_visible(timeout=90_000)


def stop(page):
    show_flow(page)
    page.locator("#canvas-head a[href$='?stop=1']:not(.no-js-only)").click()
    page.locator("#panel form[action$='/stop/'] button").click()
    expect(page.locator("#canvas-head .pill-warn")).to_be_visible()


def open_step(page, nth):
    """Open the step at this place of the flow, the entry being 0."""
    show_flow(page)
    page.locator("#flow .step").nth(nth).click()
    expect(page.locator("#panel-title")).to_be_visible()


def call_sandbox(stack, path, body=None, method=None):
    """Call the sandbox's own API, by POST if there is a body; return the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{stack.sandbox_url}/sandbox/api/{path}/", data, method=method
    )
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def sandbox_audiences(stack, name):
    """Return the sandbox's audiences with this name, in any ad account."""
    return [row for row in call_sandbox(stack, "audiences")["audiences"] if row["name"] == name]


def format_thousands(number, language):
    """Return a number with the separator of thousands of the language: 1,000 or 1.000."""
    return f"{number:,}".replace(",", "." if language == "de" else ",")
