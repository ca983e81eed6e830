"""The main job in the browser: connect TikTok, build a canvas, launch it, see exact numbers."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import actions, database

TIMEOUT_MS = 90_000  # until all people are synced


@pytest.fixture
def numbered_picture(look, keep_picture):
    """picture(page, "name") keeps a picture, numbered in the order of the test."""
    count = iter(range(1, 99))

    def keep(page, name):
        assert page.evaluate("document.documentElement.scrollWidth") <= look[1], (
            f"{name} scrolls sideways"
        )
        keep_picture(page, f"{look[0]}-{look[1]}-{next(count):02}-{name}")

    return keep


def expected_metrics(stack):
    """Return the expected metrics of the two Audience Sync steps."""
    n, can_add, can_remove = database.count_subscribers(stack)
    assert 0 < can_add < can_remove < n
    nothing = dict.fromkeys(actions.METRICS, 0) | {"entered": n}
    return (
        nothing | {"proceeded": n, "synced": can_add, "not_synced": n - can_add},
        nothing | {"exited": n, "synced": can_remove, "not_synced": n - can_remove},
    )


def expect_numbers(root, numbers, language):
    """Expect exactly these numbers within TIMEOUT_MS, without a reload."""
    for metric, n in numbers.items():
        cell = root.locator(f"[data-metric={metric}]")
        # Below the number may stand that of today.
        starts_with_n = re.compile(
            rf"^\s*{re.escape(actions.format_thousands(n, language))}(?![\d.,])"
        )
        expect(cell).to_have_text(starts_with_n, timeout=TIMEOUT_MS)


def connect_with_pictures(page, numbered_picture):
    actions.go(page, "partners")
    numbered_picture(page, "partners")
    page.locator("main a[href$='/partners/tiktok/']").first.click()
    page.wait_for_url(actions.PARTNER)
    numbered_picture(page, "tiktok")
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    numbered_picture(page, "consent")
    page.locator("button[name=confirm]").click()
    page.wait_for_url(actions.CHOICE)
    expect(page.locator("input[name=ad_accounts]")).to_have_count(4)
    for name in ("Acme EU", "Acme UK", "Acme US", "Acme Outlet"):
        page.get_by_label(name).set_checked(name in ("Acme EU", "Acme UK"))
    numbered_picture(page, "ad-accounts")
    page.locator(".card-footer button.btn-primary").click()
    page.wait_for_url(actions.PARTNER)
    expect(page.locator("#messages .alert-success")).to_contain_text("2")
    expect(page.locator("main a[href$='/audiences/']")).to_have_count(2)
    numbered_picture(page, "connected")


def build_with_pictures(page, name, numbered_picture):
    actions.go(page, "canvases")
    numbered_picture(page, "canvases")
    actions.new_canvas(page, name)
    numbered_picture(page, "canvas-empty")
    actions.open_launch(page)
    expect(page.locator("#checklist .text-bad")).to_have_count(1)
    page.locator("#panel form button").click()
    expect(page.locator("#panel [role=alert]")).to_be_visible()
    page.locator("#checklist a").click()
    expect(page.locator("button[data-kind]").first).to_be_visible()
    numbered_picture(page, "components")
    actions.add_delay(page)
    numbered_picture(page, "delay")


def add_with_pictures(page, name, numbered_picture):
    actions.add_step(page, "audience_sync")
    numbered_picture(page, "sync-empty")
    actions.open_launch(page)
    expect(page.locator("#checklist .text-bad")).not_to_have_count(0)
    numbered_picture(page, "missing")
    page.locator("#checklist a[href*='#id_ad_account']").click()
    expect(page.locator("select[name=ad_account]")).to_be_visible()
    actions.pick_account(page)
    box = page.locator("input[name=audience_name]")
    box.press_sequentially(name)
    expect(page.locator("[role=option][data-new]")).to_contain_text(name)
    numbered_picture(page, "offer")
    page.locator("[role=option][data-new]").click()
    actions.tick_identifiers(page)
    page.locator("[data-create]").click()
    expect(page.locator("#panel .alert-success")).to_contain_text(name)
    numbered_picture(page, "created")
    actions.save(page)


def test_the_main_job(page, look, stack, sign_in, numbered_picture):
    language, width = look
    name = f"Winback $& {language} {width}"
    sign_in(page)
    page.goto("/g/acme/")
    connect_with_pictures(page, numbered_picture)
    build_with_pictures(page, name, numbered_picture)
    add_with_pictures(page, name, numbered_picture)
    actions.add_sync(page, "Newsletter readers", action="remove", is_new=False)
    numbered_picture(page, "remove")
    actions.open_launch(page)
    numbered_picture(page, "checklist")
    actions.launch(page)
    numbered_picture(page, "launched")

    adding, removing = expected_metrics(stack)
    actions.open_step(page, 2)
    expect_numbers(page.locator("#panel"), adding, language)
    numbered_picture(page, "numbers-add")
    actions.open_step(page, 3)
    expect_numbers(page.locator("#panel"), removing, language)
    numbered_picture(page, "numbers-remove")

    assert [row["people"] for row in actions.sandbox_audiences(stack, name)] == [adding["synced"]]
    actions.go(page, "analytics")
    for step, numbers in ((name, adding), ("Newsletter readers", removing)):
        row = (
            page.locator("tbody tr")
            .filter(has_text=name)
            .filter(has=page.locator("th .step-note", has_text=step))
        )
        expect_numbers(row, numbers, language)
    numbered_picture(page, "analytics")
    page.goto(f"{stack.sandbox_url}/ads-manager/?refresh=off")
    row = page.locator("tr").filter(has=page.locator("th", has_text=name))
    assert re.sub(r"\D", "", row.locator("td").first.inner_text()) == str(adding["synced"])
    numbered_picture(page, "ads-manager")
    stop_and_disconnect(page, stack, name)


def stop_and_disconnect(page, stack, name):
    """Stop and disconnect, so that the next language starts from the same state."""
    page.goto(f"{stack.url}/g/acme/canvases/")
    page.get_by_role("link", name=name).click()
    actions.stop(page)
    page.goto("/g/acme/partners/tiktok/disconnect/")
    page.locator("form[action$='/disconnect/'] button").click()
    page.wait_for_url(actions.PARTNER)
