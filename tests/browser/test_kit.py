"""The kit in a browser: double clicks, dialogs, menus, colours, toasts, and no JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from audiencesync.core.demo_accounts import ADMIN
from tests.support.stack import PASSWORD


def sign_in_at(page, address="/g/acme/members/"):
    """Sign in as the admin; the page of this address follows."""
    page.goto(f"/accounts/login/?next={address}")
    page.locator("#id_login").fill(ADMIN)
    page.locator("#id_password").fill(PASSWORD)
    page.locator("main button[type=submit]").click()
    page.wait_for_url(f"**{address}")


@pytest.fixture
def admin_page(open_page):
    page = open_page("en", 1280)
    sign_in_at(page)
    return page


def test_a_double_click_invites_once(admin_page):
    admin_page.get_by_label("E-mail address").fill("dora@example.org")
    admin_page.get_by_role("button", name="Send invitation").dblclick()
    admin_page.get_by_text("The invitation was mailed to").wait_for()
    expect(admin_page.get_by_role("button", name="Withdraw")).to_have_count(1)
    admin_page.goto("/g/acme/activity/?verb=invited")
    assert admin_page.locator("tbody tr").filter(has_text="dora@example.org").count() == 1


def test_a_form_under_way_is_marked_and_not_sent_again(admin_page):
    routes = []

    def answer_without_page(route):
        routes.append(route)
        route.fulfill(status=204)  # the browser stays where it is

    admin_page.route("**/members/invite/", answer_without_page)
    admin_page.get_by_label("E-mail address").fill("emil@example.org")
    admin_page.get_by_role("button", name="Send invitation").click()
    admin_page.locator("button:disabled", has_text="Inviting …").wait_for()
    admin_page.evaluate("document.querySelector('form[action$=\"invite/\"]').requestSubmit()")
    admin_page.wait_for_timeout(300)
    assert len(routes) == 1


def test_a_confirmation_opens_as_a_dialog_with_the_focus(admin_page):
    opener = admin_page.get_by_role("link", name="Remove Mara Marketer")
    opener.click()
    admin_page.get_by_role("dialog").get_by_role(
        "heading", name=re.compile("Remove Mara")
    ).wait_for()
    assert admin_page.evaluate("document.activeElement.id") == "dialog-title"
    admin_page.keyboard.press("Escape")
    admin_page.get_by_role("dialog").wait_for(state="hidden")
    assert admin_page.url.endswith("/members/")


def test_a_confirmation_is_a_page_without_javascript(open_page):
    page = open_page("en", 390, javascript=False)
    sign_in_at(page)
    page.get_by_role("link", name="Remove Vic Viewer").click()
    page.wait_for_url("**/remove/")
    page.get_by_role("button", name="Remove").click()
    page.get_by_text("Vic Viewer is no longer a member.").wait_for()


def test_menus_open_without_javascript(open_page):
    page = open_page("en", 390, javascript=False)
    sign_in_at(page)
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_visible()
    page.locator("summary", has_text="Acme").click()
    page.get_by_role("link", name="Northwind").click()
    page.wait_for_url("**/g/northwind/overview/")


def test_the_navigation_folds_on_the_phone(open_page):
    page = open_page("en", 390)
    sign_in_at(page)
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_hidden()
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Canvases", exact=True)).to_be_visible()


def test_the_chosen_colours_are_kept(admin_page):
    admin_page.get_by_text("You and your settings").locator("..").click()
    admin_page.get_by_role("button", name="Dark colours").click()
    admin_page.goto("/groups/")
    assert admin_page.locator("html").get_attribute("data-bs-theme") == "dark"


def test_a_toast_appears_in_an_existing_live_region(admin_page):
    assert admin_page.locator("#toasts[role=status]").count() == 1
    admin_page.evaluate(
        "document.body.dispatchEvent(new CustomEvent('toast', "
        "{bubbles: true, detail: {text: '<b>Saved</b>'}}))"
    )
    expect(admin_page.locator("#toasts")).to_have_text("<b>Saved</b>")
    admin_page.locator("#toasts").get_by_role("button", name="Dismiss").click()
    expect(admin_page.locator("#toasts")).to_have_text("")


def test_an_expired_session_leads_to_sign_in(admin_page):
    admin_page.context.clear_cookies()
    admin_page.get_by_role("link", name="Remove Mara Marketer").click()
    admin_page.wait_for_url("**/accounts/login/**")


def test_the_first_tab_offers_to_skip_the_header(admin_page):
    admin_page.goto("/g/acme/activity/")
    admin_page.keyboard.press("Tab")
    assert admin_page.evaluate("document.activeElement.textContent") == "Skip to content"
