"""The main job in the browser: connect TikTok, build a canvas, launch it, see exact numbers."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser import acts

AT_REST = 40_000


@pytest.fixture
def picture(look, keep_picture):
    """picture(page, "name") keeps a picture, numbered in the order of the test."""
    count = iter(range(1, 99))

    def keep(page, name):
        assert page.evaluate("document.documentElement.scrollWidth") <= look[1], (
            f"{name} scrolls sideways"
        )
        keep_picture(page, f"{look[0]}-{look[1]}-{next(count):02}-{name}")

    return keep


def expected(stack):
    """Return the expected metrics of the two Audience Sync steps."""
    n, can_add, can_remove = acts.census(stack)
    assert 0 < can_add < can_remove < n
    nothing = dict.fromkeys(acts.METRICS, 0) | {"entered": n}
    return (
        nothing | {"proceeded": n, "synced": can_add, "not_synced": n - can_add},
        nothing | {"exited": n, "synced": can_remove, "not_synced": n - can_remove},
    )


def shows(root, numbers, language):
    """Expect exactly these numbers within AT_REST ms, without a reload."""
    for metric, n in numbers.items():
        cell = root.locator(f"[data-metric={metric}]")
        first = re.compile(rf"^\s*{re.escape(acts.written(n, language))}(?![\d.,])")
        expect(cell).to_have_text(first, timeout=AT_REST)  # that of today may stand below it


def connect_with_pictures(page, picture):
    acts.go(page, "partners")
    picture(page, "partners")
    page.locator("main a[href$='/partners/tiktok/']").first.click()
    page.wait_for_url(acts.PARTNER)
    picture(page, "tiktok")
    page.locator("form[action$='/connect/'] button").click()
    page.wait_for_url(re.compile("/portal/auth"))
    picture(page, "consent")
    page.locator("button[name=confirm]").click()
    page.wait_for_url(acts.CHOICE)
    expect(page.locator("input[name=ad_accounts]")).to_have_count(4)
    for name in ("Acme EU", "Acme UK", "Acme US", "Acme Outlet"):
        page.get_by_label(name).set_checked(name in ("Acme EU", "Acme UK"))
    picture(page, "ad-accounts")
    page.locator(".card-footer button.btn-primary").click()
    page.wait_for_url(acts.PARTNER)
    expect(page.locator("#messages .alert-success")).to_contain_text("2")
    expect(page.locator("main a[href$='/audiences/']")).to_have_count(2)
    picture(page, "connected")


def build_with_pictures(page, name, picture):
    acts.go(page, "canvases")
    picture(page, "canvases")
    acts.new_canvas(page, name)
    picture(page, "canvas-empty")
    acts.open_launch(page)
    expect(page.locator("#checklist .text-bad")).to_have_count(1)
    page.locator("#panel form button").click()
    expect(page.locator("#panel [role=alert]")).to_be_visible()
    page.locator("#checklist a").click()
    expect(page.locator("button[data-kind]").first).to_be_visible()
    picture(page, "components")
    acts.add_delay(page)
    picture(page, "delay")


def add_with_pictures(page, name, picture):
    acts.add(page, "audience_sync")
    picture(page, "sync-empty")
    acts.open_launch(page)
    expect(page.locator("#checklist .text-bad")).not_to_have_count(0)
    picture(page, "missing")
    page.locator("#checklist a[href*='#id_ad_account']").click()
    expect(page.locator("select[name=ad_account]")).to_be_visible()
    acts.pick_account(page)
    box = page.locator("input[name=audience_name]")
    box.press_sequentially(name)
    expect(page.locator("[role=option][data-new]")).to_contain_text(name)
    picture(page, "offer")
    page.locator("[role=option][data-new]").click()
    acts.tick(page)
    page.locator("[data-create]").click()
    expect(page.locator("#panel .alert-success")).to_contain_text(name)
    picture(page, "created")
    acts.save(page)


def test_the_main_job(page, look, stack, sign_in, picture):
    language, width = look
    name = f"Winback {language} {width}"
    sign_in(page)
    page.goto("/g/acme/")
    connect_with_pictures(page, picture)
    build_with_pictures(page, name, picture)
    add_with_pictures(page, name, picture)
    acts.add_sync(page, "Newsletter readers", action="remove", is_new=False)
    picture(page, "remove")
    acts.open_launch(page)
    picture(page, "checklist")
    acts.launch(page)
    picture(page, "launched")

    adding, removing = expected(stack)
    acts.open_step(page, 2)
    shows(page.locator("#panel"), adding, language)
    picture(page, "numbers-add")
    acts.open_step(page, 3)
    shows(page.locator("#panel"), removing, language)
    picture(page, "numbers-remove")

    assert [one["people"] for one in acts.audiences(stack, name)] == [adding["synced"]]
    acts.go(page, "analytics")
    for step, numbers in ((name, adding), ("Newsletter readers", removing)):
        row = (
            page.locator("tbody tr")
            .filter(has_text=name)
            .filter(has=page.locator("th .step-note", has_text=step))
        )
        shows(row, numbers, language)
    picture(page, "analytics")
    page.goto(f"{stack.sandbox_url}/ads-manager/?refresh=off")
    row = page.locator("tr").filter(has=page.locator("th", has_text=name))
    assert re.sub(r"\D", "", row.locator("td").first.inner_text()) == str(adding["synced"])
    picture(page, "ads-manager")
    leave(page, stack, name)


def leave(page, stack, name):
    """Stop and disconnect, so that the next language starts from the same state."""
    page.goto(f"{stack.url}/g/acme/canvases/")
    page.get_by_role("link", name=name).click()
    acts.stop(page)
    page.goto("/g/acme/partners/tiktok/disconnect/")
    page.locator("form[action$='/disconnect/'] button").click()
    page.wait_for_url(acts.PARTNER)
