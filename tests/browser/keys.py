"""Reach elements of the page by Tab."""

MAX_TABS = 60


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
