"""A canvas with branches: built by keyboard and without JavaScript, readable in every width."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import actions
from tests.browser.keys import expect_settled
from tests.browser.test_every_page import visit

LOOKS = [("en", 1280, "light"), ("en", 1280, "dark"), ("de", 390, "light"), ("de", 390, "dark")]
YES, NO = "-1", "-2"  # after the id of a split: the place in its branch


def press(page, selector):
    expect_settled(page)
    page.locator(selector).focus()
    page.keyboard.press("Enter")


def add(page, place, kind):
    """Add a step at a place with the keyboard; return its id."""
    press(page, f"[id='add-{place}']")
    expect(page.locator(f"button[data-kind={kind}]")).to_be_visible()
    press(page, f"button[data-kind={kind}]")
    expect(page.locator("#step-form")).to_be_visible()
    return page.locator("#flow .step[aria-current]").get_attribute("id").removeprefix("card-")


def build(page):
    """Build twelve steps with two splits; return the ids of the splits."""
    first = add(page, "first", "delay")
    outer = add(page, first, "decision_split")
    add(page, outer, "delay")
    add(page, f"{outer}{YES}", "exit")
    for kind in ("audience_sync", "audience_sync"):
        add(page, f"{outer}{YES}", kind)
    after = add(page, f"{outer}{NO}", "delay")
    inner = add(page, f"{outer}{NO}", "decision_split")
    add(page, f"{inner}{YES}", "audience_sync")
    add(page, f"{inner}{NO}", "delay")
    add(page, f"{inner}{NO}", "audience_sync")
    add(page, after, "audience_sync")
    return outer, inner


@pytest.fixture(scope="module")
def canvas(stack, browser):
    """Return the path of a canvas with two splits, and their ids."""
    page = actions.new_context(browser, stack).new_page()
    page.goto("/accounts/login/")
    actions.sign_in(page)
    actions.new_canvas(page, "Win back")
    path, split_ids = page.url.removeprefix(stack.url), build(page)
    page.context.close()
    return path, *split_ids


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: "-".join(map(str, look)))
def test_a_canvas_with_branches_in_every_look(open_page, sign_in, canvas, keep_picture, look):
    language, width, scheme = look
    path, outer, inner = canvas
    page = open_page(language, width)
    page.emulate_media(color_scheme=scheme)
    sign_in(page)
    problems = visit(
        page,
        (language, width),
        [
            path,
            f"{path}?step={inner}&tab=who",
            f"{path}?fold={inner}&zoom=80",
            f"{path}?add={outer}{YES}",
        ],
    )
    page.set_viewport_size({"width": width, "height": 1900 if width > 1000 else 844})
    page.goto(f"{path}?step={inner}")
    keep_picture(page, f"{language}-{width}-{scheme}-flow")
    assert problems == []


def test_zoom_and_folded_branches_outlast_an_edit_and_the_poll(open_page, sign_in, canvas):
    path, outer, inner = canvas
    page = open_page()
    sign_in(page)
    page.goto(f"{path}?fold={inner}&zoom=60")
    expect(page.locator("#flow .folded")).to_have_count(2)
    with page.expect_request(re.compile(f"step={outer}")) as of_a_click:
        press(page, f"#card-{outer}")
    assert "x-background" not in of_a_click.value.headers
    expect(page.locator("#panel-close")).to_be_visible()
    page.locator(f"[id='add-{outer}{YES}']").click()
    page.locator("button[data-kind=delay]").click()
    expect(page.locator("#step-form")).to_be_visible()
    expect(page.locator("#flow .folded")).to_have_count(2)
    expect(page).to_have_url(re.compile(f"zoom=60&fold={inner}"))
    with page.expect_response(re.compile("/counts/")) as of_a_poll:
        pass
    assert "x-background" in of_a_poll.value.request.headers
    expect(page.locator("#flow .zoom-60 .folded")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()
    expect(page.locator("#flow .step:focus")).to_have_count(1)


def test_the_open_card_is_in_sight_of_a_stage_that_is_too_narrow(open_page, sign_in, canvas):
    path, _outer, inner = canvas
    page = open_page()
    sign_in(page)
    page.set_viewport_size({"width": 1000, "height": 700})
    page.goto(path)
    last = page.locator(f"[id='branch-{inner}{NO}'] ~ .path .step").last
    address = last.get_attribute("href")

    last.evaluate("card => card.click()")
    expect(page.locator("#panel-close")).to_be_visible()
    expect(last).to_be_in_viewport(ratio=1)

    page.goto(address)
    expect(last).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("de", 390)])
def test_a_named_component_is_removed_and_back_by_keyboard(
    open_page, sign_in, keep_picture, language, width
):
    page = open_page(language, width)
    sign_in(page)
    actions.new_canvas(page, "Undo")
    step = add(page, "first", "delay")
    press(page, "#step-names summary")
    page.locator("#id_step_name").fill("Zeit zum Überlegen")
    page.locator("#id_step_description").fill("Ein Tag, wie mit dem Team besprochen")
    page.keyboard.press("Tab")
    keep_picture(page, f"{language}-{width}-names")
    press(page, ".save-bar button")
    expect(page.locator(f"#card-{step} .step-name")).to_have_text("Zeit zum Überlegen")
    page.goto(f"{page.url.partition('?')[0]}?remove={step}")
    press(page, "#panel form .btn-danger")
    expect(page.locator(f"#card-{step}")).to_have_count(0)
    keep_picture(page, f"{language}-{width}-undo")
    press(page, "#undo-removal")
    expect(page.locator(f"#card-{step}")).to_be_focused()
    expect(page.locator("#undo-removal")).to_have_count(0)
    expect(page.locator("#panel")).to_have_count(1)
    keep_picture(page, f"{language}-{width}-undone")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_split_without_javascript_on_a_phone(open_page, sign_in):
    page = open_page("en", 390, javascript=False)
    sign_in(page)
    actions.new_canvas(page, "Plain split")
    actions.add_step(page, "decision_split")
    split = page.locator("#flow .step[aria-current]").get_attribute("id").removeprefix("card-")
    expect(page.locator("#flow")).to_be_hidden()  # the panel is a screen of its own
    page.locator("#panel-close").click()
    expect(page).to_have_url(re.compile(f"#card-{split}$"))
    page.locator(f"[id='add-{split}{NO}']").click()
    page.locator("button[data-kind=delay]").click()
    expect(page.locator("#flow .branch").nth(1).locator(".step")).to_have_count(1)
    actions.show_flow(page)
    page.locator("#fold-all").click()
    expect(page.locator("#flow .folded")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.goto(f"{page.url.partition('?')[0]}?remove={split}")
    page.locator("input[name=keep][value='0']").check()
    page.locator("#panel form .btn-danger").click()
    expect(page.locator("#flow .branch")).to_have_count(0)
    page.locator("#undo-removal").click()
    expect(page).to_have_url(re.compile(f"#card-{split}$"))
    expect(page.locator("#flow .branch")).to_have_count(2)


def test_a_card_is_dragged_to_another_place_and_never_into_itself(open_page, sign_in, keep_picture):
    page = open_page()
    sign_in(page)
    actions.new_canvas(page, "Drag")
    first = add(page, "first", "delay")
    split = add(page, first, "decision_split")
    plus = page.locator(f"[id='add-{split}{YES}']")

    page.locator(f"#card-{first}").hover()
    page.mouse.down()
    plus.hover()
    plus.hover()  # the first one starts the drag
    expect(plus).to_have_class(re.compile("is-target"))
    keep_picture(page, "en-1280-drag")
    page.mouse.up()
    expect(page.locator(f"#flow .branch #card-{first}")).to_be_visible()
    expect(page.locator(f"#flow #card-{first}[aria-current]")).to_be_visible()

    expect_settled(page)
    page.locator("#step-form input[name=amount]").fill("9")
    page.locator(f"#card-{split}").focus()
    page.keyboard.press("Alt+ArrowUp")
    expect(page.locator("#unsaved")).to_be_visible()
    page.locator("#unsaved [data-save]").click()
    expect(page.locator(f"#card-{split}[aria-current]")).to_be_visible()
    expect(page.locator(f"#card-{first}")).to_contain_text("Wait 9 days")

    page.locator(f"#card-{split}").drag_to(page.locator(f"#add-{first}"))
    expect(page.locator("#panel .alert-danger")).to_contain_text("into its own branches")
    expect(page.locator(f"#flow .branch #card-{first}")).to_be_visible()
    expect(page.locator("#flow .is-dragging, #flow .is-dragged")).to_have_count(0)
