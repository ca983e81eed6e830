"""The canvas by keyboard: Tab, Enter, Space and arrows reach everything; focus is never lost."""

import re

from playwright.sync_api import expect

from tests.browser import acts
from tests.browser.keys import at, tab_to


def press(page, selector, key="Enter"):
    """Tab to the selector and press a key; assert that the focus survives the swap."""
    tab_to(page, selector)
    with page.expect_response(re.compile("/canvases/")):
        page.keyboard.press(key)
    expect(
        page.locator(
            ".htmx-request, .htmx-swapping, .htmx-settling, [aria-busy=true], [data-focus]"
        )
    ).to_have_count(0)
    assert not at(page, "body"), f"the focus is lost after {selector}"


def choose(page, selector):
    """Choose something in the menu of the open component."""
    tab_to(page, "#panel-more > summary")
    page.keyboard.press("Enter")
    press(page, selector)


def test_a_canvas_is_built_and_launched_by_keyboard(desk):
    acts.new_canvas(desk, "By keys")
    press(desk, ".step-add")
    press(desk, "button[data-kind=delay]")
    tab_to(desk, "[name=amount]")
    desk.keyboard.type("2")
    tab_to(desk, "[name=unit]")
    desk.keyboard.type("sec")
    press(desk, "#step-form button")
    acts.expect_success(desk)
    press(desk, "#flow li:last-child .step-add")
    press(desk, "button[data-kind=audience_sync]")
    tab_to(desk, "[name=ad_account]")
    with desk.expect_response(re.compile("/choices/")):
        desk.keyboard.press("ArrowDown")
    expect(desk.locator("#audience-fields .htmx-request")).to_have_count(0)
    assert at(desk, "[name=ad_account]")
    choose_by_arrows(desk)
    tab_to(desk, "[name=action]")
    desk.keyboard.press("ArrowDown")
    expect(desk.locator("[data-when-remove]")).to_be_visible()
    press(desk, "#panel [data-save]")
    assert at(desk, "#step-form [role=alert]")
    tab_to(desk, "[name=kinds]")
    desk.keyboard.press("Space")
    press(desk, "#panel [data-save]")
    expect(desk.locator("#flow .has-problem")).to_have_count(0)
    choose(desk, "button[name=to][value=up]")
    assert at(desk, "#panel-more > summary")
    expect(desk.locator("#flow .step").nth(1)).to_contain_text("Newsletter readers")
    desk.locator("#main").focus()
    press(desk, "#canvas-head a.btn-primary")
    press(desk, "#panel form[action$='/launch/'] button")
    expect(desk.locator("#canvas-head .pill-good")).to_be_visible()


def choose_by_arrows(page):
    """Choose "Newsletter readers" from the list."""
    tab_to(page, "[name=audience_name]")
    page.keyboard.type("newslet")
    box = page.locator("[name=audience_name]")
    expect(box).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("Newsletter readers")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(page.locator("[data-create]")).to_be_hidden()


def test_removing_and_stopping_keep_the_focus(desk):
    acts.new_canvas(desk, "Keys remove")
    acts.add_delay(desk)
    choose(desk, "#panel a[href*='?remove=']")
    press(desk, "#panel .btn-danger")
    expect(desk.locator("#flow .step")).to_have_count(1)
    press(desk, ".step-add")
    desk.keyboard.press("Tab")
    desk.keyboard.type("wait")  # searches the components
    expect(desk.locator("[data-kind=audience_sync]")).to_be_hidden()
    press(desk, "button[data-kind=delay]")
    desk.locator("#main").focus()
    press(desk, "#canvas-head a.btn-primary")
    press(desk, "#panel form[action$='/launch/'] button")
    desk.locator("#main").focus()
    press(desk, "#canvas-head a[href*='stop=1']:not(.no-js-only)")
    press(desk, "#panel .btn-danger")
    expect(desk.locator("#canvas-head .pill-warn")).to_be_visible()


def test_an_unusable_audience_cannot_be_chosen(open_page, sign_in):
    page = open_page("en", 390)
    sign_in(page)
    acts.connected(page)
    acts.new_canvas(page, "Grey")
    acts.add(page, "audience_sync")
    acts.pick_account(page)
    page.locator("#id_audience_name").press_sequentially("customers of")
    page.locator("[role=option][aria-disabled=true]").first.click(force=True)
    expect(page.locator("#id_audience")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("[role=listbox]")).to_be_hidden()
    assert at(page, "#id_audience_name")


def test_back_shows_a_whole_page_and_reload_repeats_no_post(desk):
    acts.new_canvas(desk, "Back")
    acts.add_delay(desk, 7)
    desk.locator("#card-entry").click()
    expect(desk.locator("#id_name")).to_be_visible()
    desk.go_back()
    expect(desk.locator("input[name=amount]")).to_have_value("7")
    assert desk.locator("h1").count() == 1
    desk.reload()
    expect(desk.locator("#flow .step")).to_have_count(2)


def test_unsaved_input_after_back_is_lost_only_after_a_question(desk):
    acts.new_canvas(desk, "Back typed")
    acts.add_delay(desk, 7)
    desk.locator("#card-entry").click()
    expect(desk.locator("#id_name")).to_be_visible()
    desk.go_back()
    desk.locator("input[name=amount]").fill("9")
    desk.locator("#card-entry").click()
    expect(desk.locator("dialog#unsaved")).to_be_visible()
    desk.locator("#unsaved [data-stay]").click()
    expect(desk.locator("input[name=amount]")).to_have_value("9")
    desk.locator("#card-entry").click()
    desk.locator("#unsaved [data-discard]").click()
    expect(desk.locator("#id_name")).to_be_visible()


def test_the_bar_with_save_counts_what_is_not_saved_and_discards_it(desk):
    acts.new_canvas(desk, "Discarded")
    acts.add_delay(desk, 7)
    note, discard = desk.locator(".save-note"), desk.locator("[data-discards]")
    expect(discard).to_be_hidden()
    desk.locator("input[name=amount]").fill("9")
    expect(note).to_have_text("One field not saved")
    desk.locator("select[name=unit]").select_option("hours")
    expect(note).to_have_text("2 fields not saved")
    discard.click()
    expect(desk.locator("input[name=amount]")).to_have_value("7")
    expect(note).to_have_text("")
    expect(discard).to_be_hidden()


def test_an_expired_session_returns_to_the_step_after_sign_in(desk):
    acts.new_canvas(desk, "Session")
    acts.add_delay(desk, 7)
    step = desk.url
    desk.context.clear_cookies()
    desk.locator("#card-entry").click()
    desk.wait_for_url(re.compile("/accounts/login/"))
    acts.enter(desk)
    assert desk.url.split("?")[0] == step.split("?")[0]
