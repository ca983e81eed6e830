"""The kit in a browser: double clicks, dialogs, menus, colours, toasts, and no JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from audiencesync.core.demo_accounts import ADMIN
from tests.support.stack import PASSWORD

DEMO = (ADMIN, PASSWORD)


def enter(page, address="/g/acme/members/"):
    page.goto(f"/accounts/login/?next={address}")
    page.locator("#id_login").fill(DEMO[0])
    page.locator("#id_password").fill(DEMO[1])
    page.locator("main button[type=submit]").click()
    page.wait_for_url(f"**{address}")


@pytest.fixture
def desk(open_page):
    page = open_page("en", 1280)
    enter(page)
    return page


def test_a_double_click_invites_once(desk):
    desk.get_by_label("E-mail address").fill("dora@example.org")
    desk.get_by_role("button", name="Send invitation").dblclick()
    desk.get_by_text("The invitation was mailed to").wait_for()
    expect(desk.get_by_role("button", name="Withdraw")).to_have_count(1)
    desk.goto("/g/acme/activity/?verb=invited")
    assert desk.locator("tbody tr").filter(has_text="dora@example.org").count() == 1


def test_a_form_under_way_is_marked_and_not_sent_again(desk):
    sent = []

    def swallow(route):
        sent.append(route)
        route.fulfill(status=204)  # the browser stays where it is

    desk.route("**/members/invite/", swallow)
    desk.get_by_label("E-mail address").fill("emil@example.org")
    desk.get_by_role("button", name="Send invitation").click()
    desk.locator("button:disabled", has_text="Inviting …").wait_for()
    desk.evaluate("document.querySelector('form[action$=\"invite/\"]').requestSubmit()")
    desk.wait_for_timeout(300)
    assert len(sent) == 1


def test_a_confirmation_opens_as_a_dialog_with_the_focus(desk):
    opener = desk.get_by_role("link", name="Remove Mara Marketer")
    opener.click()
    desk.get_by_role("dialog").get_by_role("heading", name=re.compile("Remove Mara")).wait_for()
    assert desk.evaluate("document.activeElement.id") == "dialog-title"
    desk.keyboard.press("Escape")
    desk.get_by_role("dialog").wait_for(state="hidden")
    assert desk.url.endswith("/members/")


def test_a_confirmation_is_a_page_without_javascript(open_page):
    page = open_page("en", 390, javascript=False)
    enter(page)
    page.get_by_role("link", name="Remove Vic Viewer").click()
    page.wait_for_url("**/remove/")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Vic Viewer is no longer a member.").wait_for()


def test_menus_open_without_javascript(open_page):
    page = open_page("en", 390, javascript=False)
    enter(page)
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_visible()
    page.locator("summary", has_text="Acme").click()
    page.get_by_role("link", name="Northwind").click()
    page.wait_for_url("**/g/northwind/overview/")


def test_the_navigation_folds_on_the_phone(open_page):
    page = open_page("en", 390)
    enter(page)
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_visible()


def test_the_chosen_colours_are_kept(desk):
    desk.get_by_text("You and your settings").locator("..").click()
    desk.get_by_role("button", name="Dark colours").click()
    desk.goto("/groups/")
    assert desk.locator("html").get_attribute("data-bs-theme") == "dark"


def test_a_toast_appears_in_an_existing_live_region(desk):
    assert desk.locator("#toasts[role=status]").count() == 1
    desk.evaluate(
        "document.body.dispatchEvent(new CustomEvent('toast', "
        "{bubbles: true, detail: {text: '<b>Saved</b>'}}))"
    )
    expect(desk.locator("#toasts")).to_have_text("<b>Saved</b>")
    desk.locator("#toasts").get_by_role("button", name="Dismiss").click()
    expect(desk.locator("#toasts")).to_have_text("")


def test_an_expired_session_leads_to_sign_in(desk):
    desk.context.clear_cookies()
    desk.get_by_role("link", name="Remove Mara Marketer").click()
    desk.wait_for_url("**/accounts/login/**")


def test_the_first_tab_offers_to_skip_the_header(desk):
    desk.goto("/g/acme/activity/")
    desk.keyboard.press("Tab")
    assert desk.evaluate("document.activeElement.textContent") == "Skip to content"
