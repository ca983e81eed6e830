"""Double clicks and two tabs have one effect; a lost answer leads to one audience."""

import pytest
from playwright.sync_api import expect

from tests.browser import actions

CLICK_TWICE = (
    "button => { button.click(); setTimeout(() => button.isConnected && button.click(), 10) }"
)


@pytest.fixture
def posted_urls(admin_page):
    """Return the growing list of URLs that forms were posted to."""
    urls = []
    admin_page.on("request", lambda request: request.method == "POST" and urls.append(request.url))
    return urls


def fill_sync_form(page, name):
    actions.add_step(page, "audience_sync")
    actions.pick_account(page)
    actions.name_audience(page, name)
    actions.tick_identifiers(page, ["email"])


def count_posts(posted_urls, *ends):
    return [sum(url.endswith(end) for url in posted_urls) for end in ends]


def test_two_clicks_within_10_ms_have_one_effect_each(admin_page, stack, posted_urls):
    actions.new_canvas(admin_page, "Twice")
    fill_sync_form(admin_page, "Only one")
    posted_urls.clear()
    admin_page.locator("[data-create]").evaluate(CLICK_TWICE)
    expect(admin_page.locator("#panel .alert-success")).to_contain_text("Only one")
    admin_page.locator("#panel [data-save]").evaluate(CLICK_TWICE)
    actions.expect_success(admin_page)
    actions.open_launch(admin_page)
    admin_page.locator("#panel form button").evaluate(CLICK_TWICE)
    actions.expect_live(admin_page)
    assert count_posts(posted_urls, "/audience/", "/launch/") == [1, 1]
    assert len(actions.sandbox_audiences(stack, "Only one")) == 1
    admin_page.goto("/g/acme/activity/?verb=launched")
    expect(admin_page.locator("tbody tr", has_text="Twice")).to_have_count(1)


def test_two_clicks_add_one_component(admin_page, posted_urls):
    actions.new_canvas(admin_page, "One component")
    admin_page.locator(".step-add").click()
    admin_page.locator("button[data-kind=delay]").evaluate(CLICK_TWICE)
    expect(admin_page.locator("#flow .step")).to_have_count(2)
    admin_page.reload()
    expect(admin_page.locator("#flow .step")).to_have_count(2)


def test_the_same_audience_from_two_tabs_is_created_once(admin_page, stack):
    actions.new_canvas(admin_page, "Two tabs create")
    fill_sync_form(admin_page, "From two tabs")
    other = admin_page.context.new_page()
    other.goto(admin_page.url)
    actions.pick_account(other)
    actions.name_audience(other, "From two tabs")
    actions.tick_identifiers(other, ["email"])
    for tab in (admin_page, other):
        tab.locator("[data-create]").evaluate("button => button.click()")
    for tab in (admin_page, other):
        expect(tab.locator("#panel .alert").first).to_contain_text("From two tabs")
    assert len(actions.sandbox_audiences(stack, "From two tabs")) == 1


def test_an_audience_is_found_again_when_the_answer_of_its_creation_was_lost(admin_page, stack):
    actions.new_canvas(admin_page, "Lost answer")
    fill_sync_form(admin_page, "Answer lost")
    fault = {"kind": "apply_then_drop", "endpoint": "segment/audience", "count": 1}
    actions.call_sandbox(stack, "faults", fault)
    admin_page.locator("[data-create]").click()
    expect(admin_page.locator("#panel .alert").first).to_be_visible()
    if admin_page.locator("#panel .alert-danger").count():
        admin_page.locator("[data-create]").click()
    expect(admin_page.locator("#panel .alert-success")).to_contain_text("Answer lost")
    assert len(actions.sandbox_audiences(stack, "Answer lost")) == 1


def test_two_tabs_that_save_the_same_step_see_both_values(admin_page, keep_picture):
    actions.new_canvas(admin_page, "Two tabs save")
    actions.add_delay(admin_page, 3)
    other = admin_page.context.new_page()
    other.goto(admin_page.url)
    other.locator("input[name=amount]").fill("4")
    actions.save(other)
    admin_page.locator("input[name=amount]").fill("5")
    admin_page.locator("#step-form .btn-primary").click()
    conflict = admin_page.locator("#panel [role=alert]")
    expect(conflict).to_be_focused()
    expect(conflict.locator("td")).to_have_text(["5", "4"])
    keep_picture(admin_page, "en-1280-conflict")
    expect(admin_page.locator("input[name=amount]")).to_have_value("5")
    admin_page.locator("#step-form .btn-primary").click()
    actions.expect_success(admin_page)
    other.reload()
    expect(other.locator("input[name=amount]")).to_have_value("5")


def test_two_tabs_without_javascript_get_a_page_with_both_values(open_page, sign_in):
    page = open_page("en", 1280, javascript=False)
    sign_in(page)
    actions.new_canvas(page, "Two plain tabs")
    actions.add_delay(page, 3)
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("input[name=amount]").fill("4")
    actions.save(other)
    page.locator("input[name=amount]").fill("5")
    page.locator("#step-form .btn-primary").click()
    expect(page.locator("#panel [role=alert] td")).to_have_text(["5", "4"])


def test_an_answer_is_shown_although_its_form_was_replaced(admin_page):
    # As if another answer had replaced the form while the request was under way.
    actions.new_canvas(admin_page, "Late answer")
    actions.add_sync(admin_page, "Late audience", identifiers=["email"])
    actions.open_launch(admin_page)
    admin_page.route(
        "**/launch/",
        lambda route: (
            admin_page.evaluate("document.querySelector('#panel form').remove()"),
            route.continue_(),
        ),
    )
    admin_page.locator("#panel form button").click()
    actions.expect_live(admin_page)


CLICK_ALL = "selectors => selectors.forEach(one => document.querySelector(one).click())"


def test_a_click_during_a_request_is_not_lost(admin_page):
    actions.new_canvas(admin_page, "Quick clicks")
    actions.open_launch(admin_page)
    admin_page.locator("#checklist a").click()
    expect(admin_page.locator("button[data-kind=delay]")).to_be_visible()
    admin_page.evaluate(CLICK_ALL, [".step-add", "button[data-kind=delay]"])
    expect(admin_page.locator("#step-form")).to_be_visible()

    admin_page.goto("/g/acme/people/segments/new/")
    admin_page.evaluate(CLICK_ALL, ["button[name=add][value='0']"] * 3)
    expect(admin_page.locator("[name^='kind-']")).to_have_count(4)
