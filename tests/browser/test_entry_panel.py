"""The entry panel: the fields of each entry, by keyboard, without JavaScript; its questions."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import actions, database
from tests.browser.keys import expect_settled
from tests.browser.test_every_page import violations

LOOKS = [("en", 1280), ("de", 390)]
FIELDS_OF_ENTRY = {
    "launch": {"segment", "reentry", "exit_left_others"},
    "segment": {"segment", "reentry_live", "exit_left"},
    "event": {"event_kind", "event_name", "event_property", "segment", "reentry_live"}
    | {"exit_left_others"},
    "schedule": {"every", "on", "at", "segment", "reentry", "exit_left_others"},
    "call": {"segment", "reentry", "exit_left_others"},
}
NAMES = set().union(*FIELDS_OF_ENTRY.values())
both_looks = pytest.mark.parametrize("look", LOOKS, ids=["en-1280", "de-390"])


@pytest.fixture(scope="module")
def draft(stack, browser):
    """Return the path of a draft."""
    page = actions.new_context(browser, stack).new_page()
    page.goto("/accounts/login/")
    actions.sign_in(page)
    actions.new_canvas(page, "Entries")
    path = page.url.removeprefix(stack.url)
    page.context.close()
    return path


def visible_fields(page):
    """Return the names of the fields that are shown."""
    return {name for name in NAMES if page.locator(f"#entry-form [name={name}]").first.is_visible()}


@both_looks
def test_each_entry_shows_its_fields(page, look, sign_in, draft, shoot):
    sign_in(page)
    page.goto(f"{draft}?entry=1")
    problems = []
    for entry, names in FIELDS_OF_ENTRY.items():
        page.locator(f"[name=entry_by][value={entry}]").check()
        assert visible_fields(page) == names, entry
        problems += violations(page, look)
        shoot(f"entry-{entry}")
    page.emulate_media(color_scheme="dark")
    page.goto(f"{draft}?entry=1")  # again: colours change gradually
    page.locator("[name=entry_by][value=event]").check()
    problems += violations(page, look)
    assert problems == []


def test_an_event_with_two_conditions_is_saved_by_keyboard(open_page, sign_in, draft):
    page = open_page("en", 1280)
    sign_in(page)
    page.goto(f"{draft}?entry=1")
    page.locator("[name=entry_by][value=launch]").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.locator("[name=event_name]").focus()
    page.keyboard.type("cart")
    page.keyboard.press("Tab")
    page.keyboard.type("total")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("50")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.locator("[name=event_property2]")).to_be_visible()
    expect_settled(page)
    page.locator("[name=event_property2]").focus()
    page.keyboard.type("plan")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.type("pro")
    page.keyboard.press("Enter")
    actions.expect_success(page)
    expect(page.locator("#flow .step").first).to_contain_text("total is 50 and plan is pro")


def test_entry_and_exit_are_saved_without_javascript(open_page, sign_in, draft, keep_picture):
    page = open_page("de", 390, javascript=False)
    sign_in(page)
    page.goto(f"{draft}?entry=1")
    page.locator("[name=entry_by][value=event]").check()
    page.locator("[name=event_name]").fill("warenkorb")
    page.locator("[name=add_exit]").click()
    page.locator("[name=exit-0-name]").fill("kauf")
    page.locator("#exits summary").click()
    page.locator("[name=exit-0-property]").fill("betrag")
    page.locator("[name=exit-0-op]").select_option("exists")
    page.locator("#exits [name=add_condition]").click()
    page.locator("[name=exit-0-property2]").fill("land")
    page.locator("[name=exit-0-value2]").fill("DE")
    keep_picture(page, "de-390-plain-entry")
    page.locator(".save-bar button").click()
    actions.expect_success(page)
    page.goto(f"{draft}?entry=1")
    expect(page.locator("[name=event_name]")).to_have_value("warenkorb")
    expect(page.locator("[name=exit-0-property2]")).to_have_value("land")


def live_canvas(page, name):
    """Launch a canvas that is kept up to date; wait until people are in."""
    actions.new_canvas(page, name)
    actions.add_delay(page, 9000)
    page.goto(f"{page.url.split('?')[0]}?entry=1")
    page.locator("[name=entry_by][value=segment]").check()
    page.locator(".save-bar button").click()
    actions.expect_success(page)
    actions.launch(page)
    expect(page.locator(".canvas-strip dd").first).to_have_text(re.compile("[1-9]"), timeout=90_000)
    return page.url.split("?")[0]


@both_looks
def test_held_removals_and_what_a_stop_missed_are_asked(page, look, sign_in, stack, shoot):
    sign_in(page)
    address = live_canvas(page, f"Brake {look[0]}")
    pk = int(address.rstrip("/").rsplit("/", 1)[1])
    subscription = f"FROM people_subscription WHERE listener = {pk}"
    database.execute(
        stack,
        f"UPDATE canvases_canvas SET braked_at = '2026-01-01 10:00:00' WHERE id = {pk}",
        "INSERT INTO people_signal (listener, subscription_id, profile_id, kind, at)"
        f" SELECT {pk}, subscription_id, profile_id, 'left', '2026-01-01 10:00:00'"
        f" FROM people_segmentmember WHERE subscription_id IN (SELECT id {subscription}) LIMIT 7",
        "DELETE FROM people_segmentmember WHERE profile_id IN"
        f" (SELECT profile_id FROM people_signal WHERE listener = {pk})"
        f" AND subscription_id IN (SELECT id {subscription})",
    )
    page.goto(address)
    expect(page.locator("#brake .btn-danger")).to_contain_text("7")
    problems = violations(page, look)
    shoot("brake")
    actions.stop(page)
    visit_ids = f"SELECT id FROM canvases_visit WHERE canvas_id = {pk} LIMIT 7"
    database.execute(
        stack,
        f"UPDATE canvases_visit SET due_at = '2026-01-01 10:00:00' WHERE id IN ({visit_ids})",
    )
    page.emulate_media(color_scheme="dark")
    page.goto(f"{address}?launch=1")
    expect(page.locator("#since-stop li").last).to_contain_text("7")
    problems += violations(page, look)
    shoot("since-stop-dark")
    assert problems == []
