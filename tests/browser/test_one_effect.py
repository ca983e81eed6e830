"""Double clicks and two tabs have one effect; a lost answer leads to one audience."""

import pytest
from playwright.sync_api import expect

from tests.browser import acts

TWICE = "button => { button.click(); setTimeout(() => button.isConnected && button.click(), 10) }"


@pytest.fixture
def posts(desk):
    """Return the growing list of URLs that forms were posted to."""
    sent = []
    desk.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    return sent


def half_filled(page, name):
    acts.add(page, "audience_sync")
    acts.pick_account(page)
    acts.name_audience(page, name)
    acts.tick(page, ["email"])


def n_posts(posts, *ends):
    return [len([url for url in posts if url.endswith(end)]) for end in ends]


def test_two_clicks_within_10_ms_have_one_effect_each(desk, stack, posts):
    acts.new_canvas(desk, "Twice")
    half_filled(desk, "Only one")
    posts.clear()
    desk.locator("[data-create]").evaluate(TWICE)
    expect(desk.locator("#panel .alert-success")).to_contain_text("Only one")
    desk.locator("#panel [data-save]").evaluate(TWICE)
    acts.expect_success(desk)
    acts.open_launch(desk)
    desk.locator("#panel form button").evaluate(TWICE)
    expect(desk.locator("#canvas-head .pill-good")).to_be_visible()
    assert n_posts(posts, "/audience/", "/launch/") == [1, 1]
    assert len(acts.audiences(stack, "Only one")) == 1
    desk.goto("/g/acme/activity/?verb=launched")
    expect(desk.locator("tbody tr", has_text="Twice")).to_have_count(1)


def test_two_clicks_add_one_component(desk, posts):
    acts.new_canvas(desk, "One component")
    desk.locator(".step-add").click()
    desk.locator("button[data-kind=delay]").evaluate(TWICE)
    expect(desk.locator("#flow .step")).to_have_count(2)
    desk.reload()
    expect(desk.locator("#flow .step")).to_have_count(2)


def test_the_same_audience_from_two_tabs_is_created_once(desk, stack):
    acts.new_canvas(desk, "Two tabs create")
    half_filled(desk, "From two tabs")
    other = desk.context.new_page()
    other.goto(desk.url)
    acts.pick_account(other)
    acts.name_audience(other, "From two tabs")
    acts.tick(other, ["email"])
    for tab in (desk, other):
        tab.locator("[data-create]").evaluate("button => button.click()")
    for tab in (desk, other):
        expect(tab.locator("#panel .alert").first).to_contain_text("From two tabs")
    assert len(acts.audiences(stack, "From two tabs")) == 1


def test_an_audience_is_found_again_when_the_answer_of_its_creation_was_lost(desk, stack):
    acts.new_canvas(desk, "Lost answer")
    half_filled(desk, "Answer lost")
    fault = {"kind": "apply_then_drop", "endpoint": "segment/audience", "count": 1}
    acts.sandbox(stack, "faults", fault)
    desk.locator("[data-create]").click()
    expect(desk.locator("#panel .alert").first).to_be_visible()
    if desk.locator("#panel .alert-danger").count():
        desk.locator("[data-create]").click()
    expect(desk.locator("#panel .alert-success")).to_contain_text("Answer lost")
    assert len(acts.audiences(stack, "Answer lost")) == 1


def test_two_tabs_that_save_the_same_step_see_both_values(desk, keep_picture):
    acts.new_canvas(desk, "Two tabs save")
    acts.add_delay(desk, 3)
    other = desk.context.new_page()
    other.goto(desk.url)
    other.locator("input[name=amount]").fill("4")
    acts.save(other)
    desk.locator("input[name=amount]").fill("5")
    desk.locator("#step-form .btn-primary").click()
    conflict = desk.locator("#panel [role=alert]")
    expect(conflict).to_be_focused()
    expect(conflict.locator("td")).to_have_text(["5", "4"])
    keep_picture(desk, "en-1280-conflict")
    expect(desk.locator("input[name=amount]")).to_have_value("5")
    desk.locator("#step-form .btn-primary").click()
    acts.expect_success(desk)
    other.reload()
    expect(other.locator("input[name=amount]")).to_have_value("5")


def test_two_tabs_without_javascript_get_a_page_with_both_values(open_page, sign_in):
    page = open_page("en", 1280, javascript=False)
    sign_in(page)
    acts.new_canvas(page, "Two plain tabs")
    acts.add_delay(page, 3)
    other = page.context.new_page()
    other.goto(page.url)
    other.locator("input[name=amount]").fill("4")
    acts.save(other)
    page.locator("input[name=amount]").fill("5")
    page.locator("#step-form .btn-primary").click()
    expect(page.locator("#panel [role=alert] td")).to_have_text(["5", "4"])


def test_an_answer_is_shown_although_its_form_was_replaced(desk):
    # As if another answer had replaced the form while the request was under way.
    acts.new_canvas(desk, "Late answer")
    acts.add_sync(desk, "Late audience", fields=["email"])
    acts.open_launch(desk)
    desk.route(
        "**/launch/",
        lambda route: (
            desk.evaluate("document.querySelector('#panel form').remove()"),
            route.continue_(),
        ),
    )
    desk.locator("#panel form button").click()
    expect(desk.locator("#canvas-head .pill-good")).to_be_visible()
