"""The canvas by keyboard: Tab, Enter, Space and arrows reach everything; focus is never lost."""

import re

from playwright.sync_api import expect

from tests.browser import actions
from tests.browser.keys import at, expect_settled, tab_to


def press(page, selector, key="Enter"):
    """Tab to the selector and press a key; assert that the focus survives the swap."""
    tab_to(page, selector)
    with page.expect_response(re.compile("/canvases/")):
        page.keyboard.press(key)
    expect_settled(page)
    assert not at(page, "body"), f"the focus is lost after {selector}"


def choose_in_menu(page, selector):
    """Press an item in the menu of the open step."""
    tab_to(page, "#panel-more > summary")
    page.keyboard.press("Enter")
    press(page, selector)


def test_a_canvas_is_built_and_launched_by_keyboard(admin_page):
    actions.new_canvas(admin_page, "By keys")
    press(admin_page, ".step-add")
    press(admin_page, "button[data-kind=delay]")
    tab_to(admin_page, "[name=amount]")
    admin_page.keyboard.type("2")
    tab_to(admin_page, "[name=unit]")
    admin_page.keyboard.type("sec")
    press(admin_page, "#step-form button")
    actions.expect_success(admin_page)
    press(admin_page, "#flow li:last-child .step-add")
    press(admin_page, "button[data-kind=audience_sync]")
    tab_to(admin_page, "[name=ad_account]")
    with admin_page.expect_response(re.compile("/choices/")):
        admin_page.keyboard.press("ArrowDown")
    expect_settled(admin_page)
    assert at(admin_page, "[name=ad_account]")
    choose_by_arrows(admin_page)
    tab_to(admin_page, "[name=action]")
    admin_page.keyboard.press("ArrowDown")
    expect(admin_page.locator("[data-when-remove]")).to_be_visible()
    press(admin_page, "#panel [data-save]")
    assert at(admin_page, "#step-form [role=alert]")
    tab_to(admin_page, "[name=kinds]")
    admin_page.keyboard.press("Space")
    press(admin_page, "#panel [data-save]")
    expect(admin_page.locator("#flow .has-problem")).to_have_count(0)
    choose_in_menu(admin_page, "button[name=to][value=up]")
    assert at(admin_page, "#panel-more > summary")
    expect(admin_page.locator("#flow .step").nth(1)).to_contain_text("Newsletter readers")
    admin_page.locator("#main").focus()
    press(admin_page, "#canvas-head a.btn-primary")
    press(admin_page, "#panel form[action$='/launch/'] button")
    actions.expect_live(admin_page)


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


def test_removing_and_stopping_keep_the_focus(admin_page):
    actions.new_canvas(admin_page, "Keys remove")
    actions.add_delay(admin_page)
    choose_in_menu(admin_page, "#panel a[href*='?remove=']")
    press(admin_page, "#panel .btn-danger")
    expect(admin_page.locator("#flow .step")).to_have_count(1)
    press(admin_page, ".step-add")
    admin_page.keyboard.press("Tab")
    admin_page.keyboard.type("wait")  # searches the components
    expect(admin_page.locator("[data-kind=audience_sync]")).to_be_hidden()
    press(admin_page, "button[data-kind=delay]")
    admin_page.locator("#main").focus()
    press(admin_page, "#canvas-head a.btn-primary")
    press(admin_page, "#panel form[action$='/launch/'] button")
    admin_page.locator("#main").focus()
    press(admin_page, "#canvas-head a[href*='stop=1']:not(.no-js-only)")
    press(admin_page, "#panel .btn-danger")
    expect(admin_page.locator("#canvas-head .pill-warn")).to_be_visible()


def test_an_unusable_audience_cannot_be_chosen(open_page, sign_in):
    page = open_page("en", 390)
    sign_in(page)
    actions.ensure_connected(page)
    actions.new_canvas(page, "Grey")
    actions.add_step(page, "audience_sync")
    actions.pick_account(page)
    page.locator("#id_audience_name").press_sequentially("customers of")
    page.locator("[role=option][aria-disabled=true]").first.click(force=True)
    expect(page.locator("#id_audience")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.locator("[role=listbox]")).to_be_hidden()
    assert at(page, "#id_audience_name")


def test_back_shows_a_whole_page_and_reload_repeats_no_post(admin_page):
    actions.new_canvas(admin_page, "Back")
    actions.add_delay(admin_page, 7)
    admin_page.locator("#card-entry").click()
    expect(admin_page.locator("#id_name")).to_be_visible()
    admin_page.go_back()
    expect(admin_page.locator("input[name=amount]")).to_have_value("7")
    assert admin_page.locator("h1").count() == 1
    admin_page.reload()
    expect(admin_page.locator("#flow .step")).to_have_count(2)


def test_unsaved_input_after_back_is_lost_only_after_a_question(admin_page):
    actions.new_canvas(admin_page, "Back typed")
    actions.add_delay(admin_page, 7)
    admin_page.locator("#card-entry").click()
    expect(admin_page.locator("#id_name")).to_be_visible()
    admin_page.go_back()
    admin_page.locator("input[name=amount]").fill("9")
    admin_page.locator("#card-entry").click()
    expect(admin_page.locator("dialog#unsaved")).to_be_visible()
    admin_page.locator("#unsaved [data-stay]").click()
    expect(admin_page.locator("input[name=amount]")).to_have_value("9")
    admin_page.locator("#card-entry").click()
    admin_page.locator("#unsaved [data-discard]").click()
    expect(admin_page.locator("#id_name")).to_be_visible()


def test_the_bar_with_save_counts_what_is_not_saved_and_discards_it(admin_page):
    actions.new_canvas(admin_page, "Discarded")
    actions.add_delay(admin_page, 7)
    note, discard = admin_page.locator(".save-note"), admin_page.locator("[data-discards]")
    expect(discard).to_be_hidden()
    admin_page.locator("input[name=amount]").fill("9")
    expect(note).to_have_text("One field not saved")
    admin_page.locator("select[name=unit]").select_option("hours")
    expect(note).to_have_text("2 fields not saved")
    discard.click()
    expect(admin_page.locator("input[name=amount]")).to_have_value("7")
    expect(note).to_have_text("")
    expect(discard).to_be_hidden()


def test_an_expired_session_returns_to_the_step_after_sign_in(admin_page):
    actions.new_canvas(admin_page, "Session")
    actions.add_delay(admin_page, 7)
    step = admin_page.url
    admin_page.context.clear_cookies()
    admin_page.locator("#card-entry").click()
    admin_page.wait_for_url(re.compile("/accounts/login/"))
    actions.sign_in(admin_page)
    assert admin_page.url.split("?")[0] == step.split("?")[0]
