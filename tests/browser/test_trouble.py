"""Problems in the browser: pages show them, no people are lost, a reconnect resumes the work."""

import pytest
from playwright.sync_api import expect

from tests.browser import actions, database

TIMEOUT_MS = 60_000  # until a problem or a number is shown
DELAY = 3600  # seconds: a test makes trouble, then ends the delay
SITE_WIDE = "#trouble .alert-danger"


@pytest.fixture(autouse=True)
def _clear_faults(stack):
    yield
    actions.call_sandbox(stack, "faults", method="DELETE")


def live_canvas(page, name, *audiences):
    """Launch a canvas that adds the newsletter's subscribers to new audiences after a delay."""
    actions.ensure_connected(page)
    actions.new_canvas(page, name)
    actions.add_delay(page, DELAY)
    for audience in audiences:
        actions.add_sync(page, audience)
    actions.launch(page)


def expect_metric(page, name, n, language="en"):
    expect(page.locator(f"#panel [data-metric={name}]")).to_have_text(
        actions.format_thousands(n, language), timeout=TIMEOUT_MS
    )


def stop_canvas(page, name):
    """Stop the canvas, so that the next test finds no live one."""
    page.goto("/g/acme/canvases/")
    page.get_by_role("link", name=name, exact=True).click()
    actions.stop(page)


@pytest.mark.parametrize("look", [("en", 1280), ("de", 390)], ids=["en-1280", "de-390"])
def test_a_revoked_token_is_shown_on_all_pages_and_another_user_can_reconnect(
    page, look, stack, sign_in, keep_picture
):
    language, width = look
    name = f"Revoked {language}"
    sign_in(page)
    live_canvas(page, name, name)
    canvas = page.url
    actions.open_step(page, 2)
    actions.call_sandbox(stack, "faults", {"kind": "revoke_token"})
    database.end_delay(stack, name)
    _n, can_add, _can_remove = database.count_subscribers(stack)

    expect_metric(page, "pending", can_add, language)  # by itself, without a reload
    expect(page.locator("#flow .step.has-problem")).to_have_count(1, timeout=TIMEOUT_MS)
    page.goto("/g/acme/people/segments/")
    expect(page.locator(SITE_WIDE)).to_be_visible()
    keep_picture(page, f"{language}-{width}-trouble-everywhere")
    page.locator(f"{SITE_WIDE} a").first.click()
    page.wait_for_url(actions.PARTNER)
    expect(page.locator(".pill-bad").first).to_be_visible()
    expect(page.locator("main .alert-danger").first).to_be_visible()
    keep_picture(page, f"{language}-{width}-trouble-partner")

    actions.connect(page, "Acme EU", "Acme UK", user="Jonas")
    expect(page.locator("main")).to_contain_text("Jonas Weber")
    expect(page.locator(SITE_WIDE)).to_have_count(0)
    page.goto(canvas)
    actions.open_step(page, 2)
    expect_metric(page, "pending", 0, language)
    expect_metric(page, "synced", can_add, language)
    expect(page.locator("#flow .step.has-problem")).to_have_count(0)
    assert [row["people"] for row in actions.sandbox_audiences(stack, name)] == [can_add]
    stop_canvas(page, name)


def test_an_audience_deleted_at_tiktok_stops_its_own_step_only(
    open_page, stack, sign_in, keep_picture
):
    page = open_page("en", 1280)
    sign_in(page)
    live_canvas(page, "Deleted", "Deleted soon", "Kept")
    canvas = page.url
    audience_id = actions.sandbox_audiences(stack, "Deleted soon")[0]["audience_id"]
    actions.call_sandbox(stack, "faults", {"kind": "delete_audience", "audience_id": audience_id})
    database.end_delay(stack, "Deleted")
    _n, can_add, _can_remove = database.count_subscribers(stack)

    actions.open_step(page, 3)
    expect_metric(page, "synced", can_add)
    expect_metric(page, "pending", 0)
    actions.open_step(page, 2)
    expect_metric(page, "pending", can_add)
    expect(page.locator("#flow .step").nth(2)).to_contain_text(
        "Choose or create another one", timeout=TIMEOUT_MS
    )
    expect(page.locator("body")).to_contain_text("no longer exists")
    expect(page.locator("#flow .step.has-problem")).to_have_count(1)
    page.goto(f"{canvas.split('?')[0]}?step={card_id(page, 2)}")
    expect(page.locator("#panel .alert-danger")).to_contain_text("Choose or create another one")
    keep_picture(page, "en-1280-audience-deleted")
    stop_canvas(page, "Deleted")
    disconnect(page, "Deleted", can_add, "discard")  # people of a stopped canvas are pending too


def card_id(page, nth):
    return page.locator("#flow .step").nth(nth).get_attribute("id").removeprefix("card-")


def launch_then_fail(page, stack, name):
    """Launch a canvas, then let TikTok fail; return the number of pending people."""
    live_canvas(page, name, name)
    actions.call_sandbox(
        stack, "faults", {"kind": "http_error", "status": 502, "endpoint": "segment/mapping"}
    )
    database.end_delay(stack, name)
    _n, can_add, _can_remove = database.count_subscribers(stack)
    actions.open_step(page, 2)
    expect_metric(page, "pending", can_add)
    return can_add


def disconnect(page, name, n, people):
    """Disconnect through the dialog, which lists pending people and requires a choice."""
    page.goto("/g/acme/partners/tiktok/")
    page.locator("a[href$='/tiktok/disconnect/']").click()
    dialog = page.locator("dialog[open]")
    expect(dialog.locator("li", has_text=name)).to_contain_text(f"{n:,}")
    # Without a choice nothing is sent, and the focus is on the choice.
    dialog.locator("button.btn-danger").click()
    expect(dialog.locator("input[name=people]:invalid").first).to_be_focused()
    dialog.locator(f"input[name=people][value={people}]").check()
    dialog.locator("button.btn-danger").click()
    expect(page.locator("#messages .alert-success")).to_be_visible()


def test_people_kept_pending_at_a_disconnect_are_sent_after_the_reconnect(
    open_page, stack, sign_in
):
    page = open_page("en", 1280)
    sign_in(page)
    n = launch_then_fail(page, stack, "Waits")
    canvas = page.url
    disconnect(page, "Waits", n, "wait")
    page.goto("/g/acme/canvases/")
    expect(page.locator(SITE_WIDE)).to_contain_text("not connected")
    actions.call_sandbox(stack, "faults", method="DELETE")
    page.locator(f"{SITE_WIDE} a").first.click()
    actions.connect(page, "Acme EU", "Acme UK")
    page.goto(canvas)
    expect_metric(page, "synced", n)
    expect_metric(page, "pending", 0)
    stop_canvas(page, "Waits")


def test_people_discarded_at_a_disconnect_are_cancelled_and_never_sent(
    open_page, stack, sign_in, keep_picture
):
    page = open_page("en", 1280)
    sign_in(page)
    n = launch_then_fail(page, stack, "Discards")
    canvas = page.url
    database.postpone_retries(stack)  # people in flight are discarded later, with their answer
    disconnect(page, "Discards", n, "discard")
    expect(page.locator("#messages")).to_contain_text(f"{n:,}")
    keep_picture(page, "en-1280-discarded")
    actions.call_sandbox(stack, "faults", method="DELETE")
    actions.connect(page, "Acme EU", "Acme UK")
    page.goto(canvas)
    expect_metric(page, "cancelled", n)
    expect_metric(page, "pending", 0)
    expect_metric(page, "synced", 0)
    assert [row["people"] for row in actions.sandbox_audiences(stack, "Discards")] == [0]
    stop_canvas(page, "Discards")
