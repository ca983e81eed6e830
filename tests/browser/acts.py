"""Acts of a marketer in the browser, in any language, with and without JavaScript."""

import json
import re
import sqlite3
import urllib.request

from playwright.sync_api import expect

from tests.support.stack import ADMIN, PASSWORD

METRICS = ("entered", "proceeded", "synced", "not_synced", "pending", "errored", "exited")
PARTNER = re.compile("/partners/tiktok/$")
CHOICE = re.compile(r"/partners/tiktok/choose/\d+/$")
CANVAS = re.compile(r"/canvases/\d+/")
FIELDS = ("email", "phone", "idfa", "gaid")
PEOPLE = """
SELECT p.ads_consent, p.ad_tracking_enabled,
  p.email_sha256, p.phone_sha256, p.idfa_sha256, p.gaid_sha256
FROM people_profile p JOIN groups_appgroup g ON g.id = p.app_group_id
WHERE g.slug = 'acme' AND json_extract(p.attributes, '$.newsletter')
"""


def enter(page, email=ADMIN):
    """Fill and submit the open sign-in form."""
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("form:has(input[name=password]) button").first.click()
    page.wait_for_url(lambda url: "/accounts/login" not in url)


def scripted(page):
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
        wanted = any(name in label.inner_text() for name in accounts)
        label.locator("input").set_checked(wanted)
    confirm = page.locator("input[name=confirm]")
    if confirm.count():
        confirm.check()
    page.locator(".card-footer button.btn-primary").click()
    page.wait_for_url(PARTNER)


def connected(page, group="acme"):
    """Connect the group with two ad accounts, unless it is."""
    page.goto(f"/g/{group}/partners/tiktok/")
    if page.locator("main a[href$='/audiences/']").count() < 2:
        connect(page, "Acme EU", "Acme UK")


def new_canvas(page, name, segment="Newsletter subscribers"):
    page.goto("/g/acme/canvases/new/")
    page.locator("input[name=name]").fill(name)
    page.locator("select[name=segment]").select_option(label=segment)
    page.locator("main form[method=post] button").click()
    page.wait_for_url(re.compile(r"/canvases/\d+/$"))


def see_flow(page):
    """Close the panel where it hides the flow: on a phone."""
    if page.locator("#panel.is-open").count() and not page.locator("#flow").is_visible():
        page.locator("#panel-close").click()
        expect(page.locator("#flow")).to_be_visible()


def add(page, kind):
    """Add a component after the last one; its editor is open afterwards."""
    see_flow(page)
    page.locator(".step-add").last.click()
    page.locator(f"button[data-kind={kind}]").click()
    expect(page.locator("#step-form")).to_be_visible()
    expect(page.locator("#flow .step").last).to_have_attribute("aria-current", "true")


def add_delay(page, seconds=1):
    add(page, "delay")
    page.locator("input[name=amount]").fill(str(seconds))
    page.locator("select[name=unit]").select_option("seconds")
    save(page)


def save(page):
    """Save the open step and expect the success message."""
    page.locator("#step-form .btn-primary").click()
    expect_success(page)


def expect_success(page):
    """Expect the toast of an answer, or without JavaScript the message on the page."""
    toast = page.locator("#toasts .alert-success, #messages .alert-success").last
    expect(toast).to_be_visible()
    if scripted(page):
        toast.locator("[data-dismiss]").click()


def pick_account(page, name="Acme EU"):
    """Choose the ad account and wait for its audiences."""
    account = page.locator("select[name=ad_account]")
    value = account.locator("option", has_text=name).get_attribute("value")
    if not scripted(page):
        account.select_option(value)
        page.locator("button[formaction$='/choices/']").click()
        return
    page.locator("#audience-fields").evaluate(
        "element => element.toggleAttribute('data-before', true)"
    )
    account.select_option(value)
    expect(page.locator("#audience-fields:not([data-before]) [role=combobox]")).to_be_visible()


def tick(page, fields=FIELDS):
    for field in fields:
        page.locator(f"input[name=kinds][value={field}]").check()


def name_audience(page, name):
    """Type a new name and choose the offer to create it."""
    box = page.locator("input[name=audience_name]")
    if not scripted(page):
        box.fill(name)
        return
    box.press_sequentially(name)
    page.locator("[role=option][data-new]").click()


def choose_audience(page, name):
    """Choose an existing audience from the list."""
    if not scripted(page):
        value = page.locator("select[name=audience] option", has_text=name).get_attribute("value")
        page.locator("select[name=audience]").select_option(value)
        return
    page.locator("input[name=audience_name]").click()
    page.locator("[role=option]").filter(has=page.locator(f"bdi:text-is('{name}')")).click()


def add_sync(page, audience, *, action="add", is_new=True, fields=FIELDS, account="Acme EU"):
    """Add a complete Audience Sync step and save it."""
    add(page, "audience_sync")
    pick_account(page, account)
    (name_audience if is_new else choose_audience)(page, audience)
    page.locator(f"input[name=action][value={action}]").check()
    tick(page, fields)
    if is_new:
        page.locator("[data-create]").click()
        expect(
            page.locator("#panel .alert-success, #messages .alert-success").first
        ).to_contain_text(audience)
    save(page)


def open_launch(page):
    see_flow(page)
    page.locator("#canvas-head a[href$='?launch=1']:not(.no-js-only)").click()
    expect(page.locator("#checklist")).to_be_visible()


def launch(page):
    open_launch(page)
    expect(page.locator("#checklist .text-bad")).to_have_count(0)
    page.locator("#panel form button").click()
    # Longer than usual: a busy sandbox may miss a call.
    expect(page.locator("#canvas-head .pill-good")).to_be_visible(timeout=30_000)


def stop(page):
    see_flow(page)
    page.locator("#canvas-head a[href$='?stop=1']:not(.no-js-only)").click()
    page.locator("#panel form[action$='/stop/'] button").click()
    expect(page.locator("#canvas-head .pill-warn")).to_be_visible()


def open_step(page, nth):
    """Open the component at this place of the flow, the entry being 0."""
    see_flow(page)
    page.locator("#flow .step").nth(nth).click()
    expect(page.locator("#panel-title")).to_be_visible()


def sandbox(stack, path, body=None, method=None):
    """Call the sandbox's own API, by POST if there is a body; return the answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        f"{stack.sandbox_url}/sandbox/api/{path}/", data, method=method
    )
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def audiences(stack, name):
    """Return the sandbox's audiences with this name, in any ad account."""
    return [one for one in sandbox(stack, "audiences")["audiences"] if one["name"] == name]


def census(stack):
    """Count subscribers one by one; return how many there are, can be added, can be removed."""
    with sqlite3.connect(stack.var / "audiencesync.sqlite3") as database:
        people = database.execute(PEOPLE).fetchall()
    can_add = sum(
        row[0] != 0 and bool(row[2] or row[3] or (row[1] != 0 and (row[4] or row[5])))
        for row in people
    )
    return len(people), can_add, sum(any(row[2:]) for row in people)


def written(number, language):
    return f"{number:,}".replace(",", "." if language == "de" else ",")
