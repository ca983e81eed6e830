"""Connect TikTok in the browser: the sandbox's page, the choice of ad accounts, disconnect."""

import re

from playwright.sync_api import expect

from tests.browser import actions

PARTNER = re.compile(r"/g/[\w-]+/partners/tiktok/$")


def open_partner(page):
    page.goto("/g/acme/partners/tiktok/")


def test_one_ad_account_is_disconnected_and_the_other_stays(open_page, sign_in):
    page = open_page("en", 390)
    sign_in(page)
    open_partner(page)
    actions.connect(page, "Acme EU", "Acme UK")
    page.get_by_role("link", name="Disconnect Acme UK").click()
    page.locator("dialog[open]").get_by_role("button", name="Disconnect").click()
    expect(page.locator("#messages")).to_contain_text("Acme UK is disconnected.")
    expect(page.locator("main a[href$='/audiences/']")).to_have_count(1)
    expect(page.locator("main")).not_to_contain_text("Acme UK")
    page.locator("main a[href$='/audiences/']").click()
    expect(page.locator("tbody")).to_contain_text("Newsletter readers")
    page.goto("/g/acme/partners/tiktok/disconnect/")
    page.locator("form[action$='/disconnect/'] button").click()
    page.wait_for_url(PARTNER)


def test_the_disconnect_dialog_can_be_cancelled(open_page, sign_in):
    page = open_page("en", 1280)
    sign_in(page)
    open_partner(page)
    actions.connect(page, "Acme EU")
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.locator("dialog[open]").wait_for()
    page.locator("dialog").get_by_role("link", name="Cancel").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.locator("dialog[open]").get_by_role("button", name="Disconnect").click()
    page.get_by_text("TikTok is disconnected.").wait_for()


def test_an_authorisation_cancelled_at_tiktok_connects_nothing(open_page, sign_in):
    page = open_page("en", 1280)
    sign_in(page)
    open_partner(page)
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    page.locator("button[name=cancel]").click()
    page.get_by_text("You cancelled at TikTok.").wait_for()
    page.get_by_role("link", name="Back to the partner page").click()
    page.wait_for_url(PARTNER)


def test_connect_and_disconnect_without_javascript(open_page, sign_in):
    page = open_page("en", 390, javascript=False)
    sign_in(page)
    open_partner(page)
    actions.authorise(page)
    page.get_by_label("Search by name or id").fill("outlet")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.get_by_label("Acme Outlet").check()
    page.get_by_label("Search by name or id").fill("")
    with page.expect_navigation():
        page.get_by_role("button", name="Search").click()
    expect(page.get_by_label("Acme Outlet")).to_be_checked()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(PARTNER)
    assert "Connected 1 ad account" in page.locator("main, #messages").all_inner_texts()[0]
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_text("TikTok is disconnected.").wait_for()
