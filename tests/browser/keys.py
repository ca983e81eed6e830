"""Reach elements of the page by Tab, once an answer has moved the focus."""

from playwright.sync_api import expect

MAX_TABS = 60
UNSETTLED = ".htmx-request, .htmx-swapping, .htmx-settling, [aria-busy=true], html.js [data-focus]"


def expect_settled(page):
    """Wait until the last answer is in the page and has moved the focus where it wants it.

    A script focuses an element before that, a key then goes to another one.
    """
    expect(page.locator(UNSETTLED)).to_have_count(0)


def at(page, selector):
    return page.evaluate("selector => document.activeElement.matches(selector)", selector)


def tab_to(page, selector):
    """Press Tab until the selector has a visible focus."""
    for _ in range(MAX_TABS):
        if at(page, selector):
            break
        page.keyboard.press("Tab")  # after the last element the first one follows
    assert at(page, selector), f"{selector} is not reached by Tab"
    outline = "getComputedStyle(document.activeElement)"
    assert page.evaluate(f"{outline}.outlineStyle !== 'none' || {outline}.boxShadow !== 'none'"), (
        selector
    )
