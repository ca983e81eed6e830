"""The main action of each page about numbers and troubles without JavaScript: links and forms."""

import re

import pytest
from playwright.sync_api import expect

ACME = "/g/acme"


@pytest.fixture
def page(open_page, sign_in, step_with_errors):
    page = open_page("en", 390, javascript=False)
    sign_in(page)
    return page


def message(page):
    return page.locator("#messages .alert").first


def test_charts_have_ranges_tables_and_files(page, step_with_errors):
    canvas = step_with_errors.split("steps/")[0]
    for url, day in ((f"{ACME}/overview/", 30), (f"{canvas}numbers/", 1), (step_with_errors, 30)):
        page.goto(url)
        page.get_by_role("link", name="30 days", exact=True).click()
        page.get_by_role("link", name="Table", exact=True).click()
        expect(page.get_by_role("link", name="30 days", exact=True)).to_have_attribute(
            "aria-current", "true"
        )
        expect(page.locator("tbody tr:has(th[scope=row])").nth(day - 1)).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert download.value.path().read_text("utf-8-sig").startswith('"From"')


def test_errored_people_are_found_and_tried_again(page, step_with_errors):
    page.goto(step_with_errors)
    page.locator("[data-number=errored] a, a[href*='number=errored']").first.click()
    expect(page.locator("[data-delivery]")).to_have_count(3)
    email = page.locator("[data-delivery]").nth(0).locator("td").nth(3).inner_text()
    page.locator("input[name=q]").fill(email)
    page.get_by_role("button", name="Search").click()
    expect(page.locator("[data-delivery]")).to_have_count(1)
    assert email not in page.url
    page.locator("input[name=delivery]").check()
    page.locator("button[name=some]").click()
    expect(message(page)).to_contain_text("1 person is retried")
    page.goto(step_with_errors)
    page.locator("form[action$='/retry/'] button").click()
    expect(message(page)).to_contain_text("2 people are retried")


def test_an_audience_gets_a_lookalike_that_is_deleted(page):
    page.goto(f"{ACME}/audiences/?q=Newsletter")
    page.locator("tbody a").first.click()
    page.locator("input[name=name]").fill("Alike")
    page.get_by_role("button", name="Create lookalike").click()
    expect(message(page)).to_contain_text("Alike")
    page.goto(f"{ACME}/audiences/?q=Alike")
    page.locator("tbody a").first.click()
    page.locator("a[href$='/delete/']").click()
    page.get_by_role("button", name="Delete audience").click()
    expect(message(page)).to_contain_text("was deleted")


def test_connections_are_checked_and_a_webhook_is_tested(page, stack):
    page.goto(f"{ACME}/health/")
    page.locator("form[action*='/check'] button").first.click()
    expect(message(page)).to_be_visible()
    page.locator("a[href$='/notices/']").first.click()
    page.locator("input[name=url]").fill(f"{stack.sandbox_url}/hook/")
    page.get_by_role("button", name="Add webhook").click()
    expect(page.locator("#new-secret")).to_be_visible()
    page.get_by_role("button", name="Send a test").click()
    expect(message(page)).to_be_visible()


def test_the_log_is_filtered_and_help_explains_a_number(page, step_with_errors):
    page.goto(f"{ACME}/activity/")
    page.locator("input[name=q]").fill("Three")
    page.locator("select[name=verb]").select_option("launched")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.locator("tbody tr")).to_have_count(1)
    page.goto(step_with_errors)
    page.locator(".metric .help-mark[href$='#help-errored']").click()
    page.wait_for_url(re.compile("/help/#help-errored$"))
    expect(page.locator("#help-errored")).to_contain_text("did not accept")
