"""The sign-in page renders in both languages and widths, without console errors."""

from playwright.sync_api import expect

SIGN_IN = {"en": "Sign in", "de": "Anmeld"}


def test_sign_in_page_renders(page, look, shoot):
    language, width = look
    response = page.goto("/accounts/login/")
    assert response.status == 200
    assert page.locator("html").get_attribute("lang") == language
    expect(page.get_by_role("button", name=SIGN_IN[language])).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot("sign-in")


def test_sign_in_page_works_without_javascript(open_page):
    page = open_page("en", 1280, javascript=False)
    page.goto("/accounts/login/")
    expect(page.get_by_label("Password", exact=True)).to_be_visible()


def test_the_demo_account_can_sign_in(page, sign_in, shoot):
    sign_in(page)
    expect(page.locator("main")).to_be_visible()
    shoot("home")


def test_a_wrong_password_is_refused_with_a_message(open_page):
    page = open_page("en", 1280)
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("demo@example.org")
    page.locator("input[name=password]").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("not correct")).to_be_visible()
    assert "/accounts/login" in page.url
