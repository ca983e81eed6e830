"""Segments are built with a mouse, by keyboard, and without JavaScript, in both languages."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.accessible import violations
from tests.browser.keys import expect_settled, tab_to
from tests.support import stack as stacks

NEW_URL, LIST_URL = "/g/acme/people/segments/new/", re.compile("/people/segments/$")
# A listener that follows the segment "Newsletter subscribers", as a live canvas does.
FOLLOW_SCRIPT = """
from django.utils import timezone
from audiencesync.people.models import Segment
from audiencesync.people.segments import live
segment = Segment.objects.get(app_group__slug="acme", name="Newsletter subscribers")
now = timezone.now()
subscription = live.subscribe(
    segment.app_group, listener=987654, role="entry", segment=segment, now=now
)
live.fill(subscription, low=0, high=live.HIGHEST_ID, now=now)
print("id", segment.pk)
"""


def press(page, name, value, *, enter=False):
    """Press a button of the builder, by mouse or by Enter, and wait for its answer."""
    selector = f"button[name={name}][value='{value}']"
    if enter:
        tab_to(page, selector)
        page.keyboard.press("Enter")
    else:
        page.locator(selector).click()
    expect_settled(page)


def violations_in_both_schemes(page, look):
    """Return the violations in light and dark, at the end of the page, which nothing covers."""
    problems = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
        problems += violations(page, look)
    return problems


def segment_size(page):
    return page.locator("#segment-numbers .segment-total")


def test_a_segment_is_built_with_live_numbers(open_page, sign_in, keep_picture):
    page = open_page("en", 1280)
    sign_in(page)
    page.goto(NEW_URL)
    page.locator("[name=name]").fill("Lapsed")
    page.locator("[name='field-0.0']").fill("newsletter")
    page.locator("[name='op-0.0']").select_option("is_true")
    expect(page.locator("#n-0\\.0")).not_to_have_text("")
    all_readers = segment_size(page).inner_text()
    press(page, "add_group", "0")
    page.locator("[name='field-0.1.0']").fill("countryy")
    expect(page.locator("[name='field-0.1.0']")).to_have_value("countryy")
    page.locator("[name='kind-0.1.0']").select_option("field")
    page.locator("[name='value-0.1.0']").fill("Germany")
    press(page, "copy", "0.1.0")
    expect(page.locator("[name='kind-0.1.1']")).to_be_focused()
    page.locator("[name='value-0.1.1']").fill("Mars")
    expect(page.locator("#n-0\\.1\\.1")).to_have_text("0")
    assert violations_in_both_schemes(page, ("en", 1280)) == []
    keep_picture(page, "en-1280-segment-builder")
    press(page, "remove", "0.1.1")
    expect(page.locator("[name='kind-0.1.0']")).to_be_focused()
    expect(segment_size(page)).not_to_have_text(all_readers)
    expect(page.locator("#segment-numbers")).to_contain_text("Everybody whose newsletter is true")
    page.locator("button[name=save]").click()
    page.wait_for_url(LIST_URL)
    expect(page.locator("main table")).to_contain_text("Lapsed")


def test_a_segment_is_built_by_keyboard(open_page, sign_in, keep_picture):
    page = open_page("de", 390)
    sign_in(page)
    page.goto(NEW_URL)
    tab_to(page, "[name=name]")
    page.keyboard.type("Nach Tasten")
    tab_to(page, "[name='field-0.0']")
    page.keyboard.type("newsletter")
    press(page, "add", "0", enter=True)
    expect(page.locator("[name='kind-0.1']")).to_be_focused()
    page.keyboard.type("Ein")  # Einwilligung
    expect(page.locator("[name='field-0.1']")).to_have_value("ads_consent")
    press(page, "remove", "0.0", enter=True)
    expect(page.locator("[name='kind-0.0']")).to_be_focused()
    expect(page.locator("#segment-numbers")).to_contain_text("Alle, die in Werbung eingewilligt")
    assert violations_in_both_schemes(page, ("de", 390)) == []
    keep_picture(page, "de-390-segment-builder")
    tab_to(page, "button[name=save]")
    page.keyboard.press("Enter")
    page.wait_for_url(LIST_URL)
    expect(page.locator("main table")).to_contain_text("Nach Tasten")


@pytest.fixture
def followed_segment(stack):
    """Return the address of a segment that a live canvas follows."""
    output = stacks.manage(stack.env, "shell", "-c", FOLLOW_SCRIPT)
    return f"/g/acme/people/segments/{output.rpartition('id ')[2].strip()}/"


def test_without_javascript_a_great_change_is_confirmed(open_page, sign_in, followed_segment):
    page = open_page("de", 390, javascript=False)
    sign_in(page)
    page.goto(followed_segment)
    readers = segment_size(page).inner_text()
    press(page, "add_group", "0")
    page.locator("[name='kind-0.1.0']").select_option("consent")
    press(page, "copy", "0.1.0")
    press(page, "remove", "0.1.0")
    page.locator("[name='op-0.1.0']").select_option("is_false")
    page.locator("button.btn[name=preview]").click()
    expect(segment_size(page)).not_to_have_text(readers)
    page.locator("button[name=save]").first.click()
    alert = page.locator(".segment-save [role=alert]")
    expect(alert).to_contain_text("Fünftel")
    alert.locator("button[name=save]").click()
    page.wait_for_url(LIST_URL)
    page.goto(followed_segment)
    expect(page.locator("[name='op-0.1.0']")).to_have_value("is_false")
