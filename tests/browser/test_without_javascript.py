"""The main job without JavaScript: every action is a form or a link, the numbers are the same."""

import time

from playwright.sync_api import expect

from tests.browser import actions, database

NAME = "Plain winback"


def reload_numbers(page):
    """Reload by the page's link; return the metrics of the open step."""
    page.locator("#canvas-head .no-js-only").click()
    cells = page.locator("#panel [data-metric]").all()
    return {
        cell.get_attribute("data-metric"): int(cell.inner_text().replace(".", "")) for cell in cells
    }


def expect_numbers(page, expected):
    """Reload until the page shows these numbers."""
    ends_at = time.monotonic() + 90
    while (shown := reload_numbers(page)) != expected and time.monotonic() < ends_at:
        pass
    assert shown == expected


def test_the_main_job_without_javascript(open_page, stack, sign_in, keep_picture):
    page = open_page("de", 390, javascript=False)
    sign_in(page)
    page.goto("/g/acme/")
    actions.go(page, "partners")
    page.locator("main a[href$='/partners/tiktok/']").first.click()
    actions.connect(page, "Acme EU", "Acme UK")
    expect(page.locator("#messages .alert-success")).to_contain_text("2")
    actions.go(page, "canvases")
    actions.new_canvas(page, NAME)
    actions.add_delay(page)
    actions.add_sync(page, NAME)
    keep_picture(page, "de-390-plain-step")
    actions.add_sync(page, "Newsletter readers", action="remove", is_new=False)
    actions.launch(page)

    n, can_add, can_remove = database.count_subscribers(stack)
    nothing = dict.fromkeys(actions.METRICS, 0) | {"entered": n}
    actions.open_step(page, 2)
    expect_numbers(page, nothing | {"proceeded": n, "synced": can_add, "not_synced": n - can_add})
    actions.open_step(page, 3)
    expect_numbers(
        page, nothing | {"exited": n, "synced": can_remove, "not_synced": n - can_remove}
    )
    keep_picture(page, "de-390-plain-numbers")
    assert [row["people"] for row in actions.sandbox_audiences(stack, NAME)] == [can_add]


def test_missing_settings_are_linked_and_input_is_kept(open_page, sign_in):
    page = open_page("en", 1280, javascript=False)
    sign_in(page)
    actions.ensure_connected(page)
    actions.new_canvas(page, "Plain mistakes")
    actions.add_step(page, "audience_sync")
    page.locator("input[name=audience_name]").fill("Typed")
    page.locator("[data-create]").click()
    expect(page.locator("#panel [role=alert]").first).to_be_visible()
    expect(page.locator("input[name=audience_name]")).to_have_value("Typed")
    actions.open_launch(page)
    page.locator("#panel form button").click()
    expect(page.locator("#checklist .text-bad")).not_to_have_count(0)
    page.locator("#checklist a").first.click()
    expect(page.locator("#step-form")).to_be_visible()
