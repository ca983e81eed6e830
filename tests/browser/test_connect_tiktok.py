"""Connecting TikTok with the mouse: the sandbox's page on its own port, our choice of ad accounts, and letting go."""

import re

import pytest

PARTNER = re.compile(r"/g/[\w-]+/partners/tiktok/$")


def open_partner(page):
    page.goto("/g/acme/partners/tiktok/")
    page.wait_for_load_state("networkidle")


def authorise(page):
    """Through the partner's page and back to the choice."""
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    page.locator("button:not([name=cancel])[type=submit], form button:not([name=cancel])").first.click()
    page.wait_for_url(re.compile("/partners/tiktok/choose/"))


def connect(page, *names):
    authorise(page)
    for box in page.locator("input[name=ad_accounts]").all():
        box.uncheck()
    for name in names:
        page.get_by_label(name).check()
    page.locator("form .card-footer button").click()
    page.wait_for_url(PARTNER)


def disconnect(page):
    page.goto(page.url + "disconnect/")
    page.locator("form[action$='/disconnect/'] button").click()
    page.wait_for_url(PARTNER)


@pytest.fixture
def fits(look):
    def check(page):
        assert page.evaluate("document.documentElement.scrollWidth") <= look[1]

    return check


def test_two_of_four_ad_accounts(page, sign_in, shoot, fits):
    sign_in(page)
    open_partner(page)
    fits(page)
    shoot("before")
    connect(page, "Acme EU", "Acme UK")
    fits(page)
    shoot("connected")
    assert page.locator(".alert-success").is_visible()
    shown = page.locator("main").inner_text()
    assert "Acme EU" in shown
    assert "Acme UK" in shown
    assert "Acme US" not in shown
    page.locator("a[href$='/audiences/']").first.click()
    page.wait_for_url(re.compile("/audiences/$"))
    fits(page)
    shoot("audiences")
    open_partner(page)
    disconnect(page)


def test_the_dialog_asks_and_can_be_left(open_page, sign_in):
    page = open_page("en", 1280)
    sign_in(page)
    open_partner(page)
    connect(page, "Acme EU")
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.locator("dialog[open]").wait_for()
    page.locator("dialog").get_by_role("link", name="Cancel").click()
    assert page.locator("dialog[open]").count() == 0
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.locator("dialog[open]").get_by_role("button", name="Disconnect").click()
    page.get_by_text("TikTok is disconnected.").wait_for()


def test_cancelled_at_tiktok(open_page, sign_in):
    page = open_page("en", 1280)
    sign_in(page)
    open_partner(page)
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    page.locator("button[name=cancel]").click()
    page.get_by_text("You cancelled at TikTok.").wait_for()
    page.get_by_role("link", name="Back to the partner page").click()
    page.wait_for_url(PARTNER)


def test_all_of_it_without_javascript(open_page, sign_in):
    page = open_page("en", 390, javascript=False)
    sign_in(page)
    open_partner(page)
    authorise(page)
    page.get_by_label("Search by name or id").fill("outlet")
    page.keyboard.press("Enter")
    page.get_by_label("Acme Outlet").check()
    page.get_by_label("Search by name or id").fill("")
    page.get_by_role("button", name="Search").click()
    assert page.get_by_label("Acme Outlet").is_checked()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url(PARTNER)
    assert "Connected 1 ad account" in page.locator("main, #messages").all_inner_texts()[0]
    page.get_by_role("link", name="Disconnect TikTok").click()
    page.get_by_role("button", name="Disconnect").click()
    page.get_by_text("TikTok is disconnected.").wait_for()
