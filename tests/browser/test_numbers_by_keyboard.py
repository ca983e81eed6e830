"""The main action of each page about numbers and troubles by keyboard alone."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.keys import at, expect_settled, tab_to

ACME = "/g/acme"


@pytest.fixture
def page(open_page, sign_in, step_with_errors):
    page = open_page("en", 1280)
    sign_in(page)
    return page


def press(page, selector, key="Enter"):
    """Tab from the beginning of the page to the selector and press a key."""
    expect_settled(page)
    page.locator("#main").focus()
    tab_to(page, selector)
    page.keyboard.press(key)


def type_into(page, selector, text):
    expect_settled(page)
    page.locator("#main").focus()
    tab_to(page, selector)
    page.keyboard.type(text)


def message(page):
    return page.locator("#messages .alert, #toasts .alert").first


def test_charts_are_changed_and_the_focus_stays(page, step_with_errors):
    canvas = step_with_errors.split("steps/")[0]
    for url in (f"{ACME}/overview/", f"{canvas}numbers/", step_with_errors):
        page.goto(url)
        month = page.get_by_role("link", name="30 days", exact=True)
        press(page, f"#{month.get_attribute('id')}")
        expect(month).to_have_attribute("aria-current", "true")
        assert at(page, "[aria-current]")
        press(page, "#view-2")
        expect(page.locator("#view-2")).to_have_attribute("aria-current", "true")
        assert at(page, "#view-2")


def test_an_errored_person_is_found_and_tried_again(page, step_with_errors):
    page.goto(step_with_errors)
    press(page, "main a.people-link[href*='number=errored']")
    expect(page.locator("[data-delivery]")).to_have_count(3)
    email = page.locator("[data-delivery]").nth(0).locator("td").nth(3).inner_text()
    type_into(page, "input[name=q]", f"{email}\n")
    expect(page.locator("[data-delivery]")).to_have_count(1)
    press(page, "input[name=delivery]", "Space")
    press(page, "button[name=some]")
    expect(message(page)).to_contain_text("1 person is retried")
    page.goto(step_with_errors)
    press(page, "main form[action$='/retry/'] button")
    expect(message(page)).to_contain_text("2 people are retried")


def test_an_audience_gets_a_lookalike_that_is_deleted(page):
    page.goto(f"{ACME}/audiences/?q=Newsletter")
    press(page, "main tbody a")
    type_into(page, "input[name=name]", " alike")
    press(page, "form[action$='/lookalike/'] button")
    expect(message(page)).to_contain_text("alike")
    page.goto(f"{ACME}/audiences/?q=alike")
    press(page, "main tbody a")
    press(page, "a[href$='/delete/']")
    expect(page.locator("#dialog")).to_be_visible()
    tab_to(page, "#dialog .btn-danger")
    page.keyboard.press("Enter")
    expect(message(page)).to_contain_text("alike")


def test_connections_are_checked_and_a_webhook_is_tested(page, stack):
    page.goto(f"{ACME}/health/")
    press(page, "form[action*='/check'] button")
    expect(message(page)).to_be_visible()
    press(page, "main a[href$='/notices/']")
    type_into(page, "input[name=url]", f"{stack.sandbox_url}/hook/\n")
    expect(page.locator("#new-secret")).to_be_visible()
    press(page, "form[action$='/test/'] button")
    expect(message(page)).to_be_visible()


def test_the_log_is_filtered_and_help_explains_a_number(page, step_with_errors):
    page.goto(f"{ACME}/activity/")
    type_into(page, "input[name=q]", "Three")
    type_into(page, "select[name=verb]", "launched")
    press(page, "main form button:not([name])")
    expect(page.locator("main tbody tr")).to_have_count(1)
    page.goto(step_with_errors)
    press(page, ".metric .help-mark[href$='#help-errored']")
    page.wait_for_url(re.compile("/help/#help-errored$"))
