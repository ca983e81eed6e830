"""The canvas page in a browser: build a flow, create an audience once, launch, watch the numbers; also without script."""

import re

import pytest
from playwright.sync_api import expect

EDITOR = "#step-form"


@pytest.fixture
def new_canvas(stack):
    """new_canvas(page): a draft with an entry segment, made through the form."""

    def make(page, name):
        page.goto("/g/acme/canvases/new/")
        page.fill("#id_name", name)
        page.select_option("#id_segment", index=1)
        page.locator("main form[method=post] button").click()
        page.wait_for_url(re.compile(r"/canvases/\d+/$"))
        return page

    return make


def connect(page):
    """Authorise at the sandbox and choose all ad accounts, unless that is done."""
    page.goto("/g/acme/partners/tiktok/")
    if page.locator("a[href$='/audiences/']").count():
        return
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    page.locator("form button:not([name=cancel])").first.click()
    page.wait_for_url(re.compile("/partners/tiktok/choose/"))
    page.get_by_label("Acme EU").check()
    page.locator("form .card-footer button").click()
    page.wait_for_url(re.compile("/partners/tiktok/$"))


def add(page, kind):
    page.locator(".step-add").last.click()
    page.locator(f"button[data-kind={kind}]").click()
    expect(page.locator(EDITOR)).to_be_visible()


def test_from_an_empty_canvas_to_synced_people(page, look, sign_in, new_canvas, shoot):
    name = f"winback {look[0]} {look[1]}"
    sign_in(page)
    connect(page)
    new_canvas(page, name)

    add(page, "delay")
    page.fill("#id_amount", "1")
    page.select_option("#id_unit", "seconds")
    page.locator(f"{EDITOR} button.btn-primary").click()
    add(page, "audience_sync")
    with page.expect_response(re.compile("/choices/")):
        page.select_option("#id_ad_account", index=1)
    page.locator("#id_audience_name").press_sequentially(name)
    page.locator("[data-new]").click()
    page.check("input[name=kinds][value=email]")
    shoot("new-audience")
    page.locator("[data-create]").dblclick()
    expect(page.locator("#panel .alert-success")).to_contain_text(name)
    expect(page.locator("#flow .has-problem")).to_have_count(0)
    page.locator("#id_audience_name").click()
    expect(page.locator("[role=option] bdi", has_text=name)).to_have_count(1)
    page.keyboard.press("Escape")

    page.locator("#canvas-head a.btn-primary").click()
    expect(page.locator("#checklist")).to_be_visible()
    expect(page.locator("#checklist .text-bad")).to_have_count(0)
    shoot("checklist")
    page.locator("#panel form[action$='/launch/'] button").click()
    expect(page.locator("#canvas-head .pill-good")).to_be_visible()
    page.locator("#flow .step").last.click()
    expect(page.locator("[data-metric=entered]")).not_to_have_text("0", timeout=30_000)
    expect(page.locator("[data-metric=pending]")).to_have_text("0", timeout=30_000)
    expect(page.locator("[data-metric=synced]")).not_to_have_text("0")
    shoot("numbers")
    assert page.evaluate("document.documentElement.scrollWidth") <= look[1]


def test_an_existing_audience_is_chosen_by_keyboard(open_page, sign_in, new_canvas):
    page = open_page("de", 1280)
    sign_in(page)
    connect(page)
    new_canvas(page, "keys")
    add(page, "audience_sync")
    with page.expect_response(re.compile("/choices/")):
        page.select_option("#id_ad_account", index=1)

    box = page.locator("#id_audience_name")
    box.press_sequentially("newslet")
    expect(box).to_have_attribute("aria-expanded", "true")
    box.press("ArrowDown")
    box.press("Enter")

    expect(box).to_have_value("Newsletter readers")
    expect(box).to_have_attribute("aria-expanded", "false")
    expect(page.locator("[data-create]")).to_be_hidden()
    page.check("input[name=action][value=remove]")
    expect(page.locator("[data-when-remove]")).to_be_visible()
    page.locator("[data-save]").click()
    expect(page.locator(f"{EDITOR} [role=alert]")).to_be_focused()
    page.check("input[name=kinds][value=email]")
    page.locator("[data-save]").click()
    expect(page.locator("#flow .has-problem")).to_have_count(0)


def test_a_greyed_audience_cannot_be_chosen(open_page, sign_in, new_canvas):
    page = open_page("en", 390)
    sign_in(page)
    connect(page)
    new_canvas(page, "grey")
    add(page, "audience_sync")
    with page.expect_response(re.compile("/choices/")):
        page.select_option("#id_ad_account", index=1)

    page.locator("#id_audience_name").press_sequentially("customers of")
    page.locator("[role=option][aria-disabled=true]").first.click(force=True)

    expect(page.locator("#id_audience")).to_have_value("")


def test_all_of_it_works_without_javascript(open_page, sign_in, new_canvas):
    plain = open_page("de", 390, javascript=False)
    sign_in(plain)
    connect(plain)
    new_canvas(plain, "plain")
    add(plain, "audience_sync")
    plain.select_option("#id_ad_account", index=1)
    plain.check("input[name=kinds][value=phone]")
    plain.locator("button[formaction$='/choices/']").click()
    assert plain.is_checked("input[name=kinds][value=phone]")
    newsletter = plain.locator("#id_audience option", has_text="Newsletter readers").get_attribute("value")
    plain.select_option("#id_audience", newsletter)
    plain.locator("[data-save]").click()
    expect(plain.locator("#flow .has-problem")).to_have_count(0)
    plain.locator("#canvas-head a.btn-primary").click()
    plain.locator("#panel form[action$='/launch/'] button").click()

    expect(plain.locator("#canvas-head .pill-good")).to_be_visible()
