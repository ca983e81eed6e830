"""Import a file in every language and width: preview, mapping, check, progress, result, segment."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import violations

N_PEOPLE = 3000
ROWS = "".join(
    f"shop-{n};p{n}@example.org;0151 {10000000 + n};{'ja' if n % 2 else 'nein'};{n % 7},5\n"
    for n in range(N_PEOPLE)
)
FILE = (
    f"Kundennummer;E-Mail;Telefon;Newsletter;Bestellwert\n{ROWS}"
    ";ohne@example.org;;;\nshop-1;;;vielleicht;\n"
)
REJECTS_BUTTON = "#import-state form[action$='/rejects/'] button"


def upload(page, name):
    page.goto("/g/acme/people/profiles/")
    page.locator("a[href$='/imports/']").first.click()
    page.locator("a[href$='/imports/new/']").first.click()
    file = {"name": f"{name}.csv", "mimeType": "text/csv", "buffer": FILE.encode("cp1252")}
    page.locator("input[type=file]").set_input_files(files=[file])
    page.locator("main form[method=post] .btn-primary").click()
    page.wait_for_url(re.compile(r"/imports/\d+/$"))


def start(page):
    page.locator("button[name=start]").click()
    expect(page.locator("#import-state")).to_be_visible()


def await_end(page):
    """Wait for the end of the import; return the numbers on its page."""
    expect(page.locator(REJECTS_BUTTON)).to_be_visible(timeout=60_000)
    numbers = page.locator("#import-state [data-number]").all_inner_texts()
    return [int(re.sub(r"\D", "", text)) for text in numbers]


def test_an_import_from_upload_to_segment(page, look, sign_in, shoot):
    name = "-".join(map(str, look))
    sign_in(page)
    page.goto("/g/acme/people/imports/new/")
    problems = violations(page, look)
    shoot("import-upload")
    upload(page, name)
    expect(page.locator("select[name=delimiter]")).to_have_value("semicolon")
    expect(page.locator("select[name=target_1]")).to_have_value("email")
    problems += violations(page, look)
    shoot("import-mapping")
    if look[1] > 390:  # on a phone the segment is made afterwards
        page.locator("input[name=segment_name]").fill(f"Shop {name}")
    page.locator("button[name=check]").click()
    expect(page.locator("#checked")).to_be_focused()
    problems += violations(page, look)
    shoot("import-checked")
    start(page)
    problems += violations(page, look)
    shoot("import-progress")
    read, created, updated, repeated, rejected = await_end(page)
    # Of the two last rows, one has no identifier of a customer and is rejected; the other repeats
    # a row, and its invalid cell is left out.
    assert (read, created + updated, repeated, rejected) == (N_PEOPLE + 2, N_PEOPLE, 1, 1)
    problems += violations(page, look)
    shoot("import-result")
    with page.expect_download() as download:
        page.locator(REJECTS_BUTTON).click()
    assert download.value.path().read_text("utf-8-sig").count("\n") == 3
    if look[1] > 390:
        page.locator("#import-state a[href*='/segments/']").click()
    else:
        page.locator("#import-state form[action$='/segment/'] .btn-primary").click()
    expect(page.locator("main")).to_contain_text("3.000" if look[0] == "de" else "3,000")
    page.goto("/g/acme/people/imports/")
    problems += violations(page, look)
    shoot("imports")
    for path in ("/people/?number=", "/rows/?number="):
        page.goto("/g/acme/people/imports/")
        page.locator(f"main a[href*='{path}']").first.click()
        expect(page.locator("main tbody tr").first).to_be_visible()
        problems += violations(page, look)
    assert problems == []


@pytest.mark.slow
def test_without_javascript(open_page, sign_in):
    page = open_page("en", 1280, javascript=False)
    sign_in(page)
    upload(page, "plain")
    start(page)
    for _ in range(240):
        if page.locator(REJECTS_BUTTON).count():
            break
        with page.expect_navigation():
            page.locator("#import-state a.no-js-only").click()
        page.wait_for_timeout(500)
    assert await_end(page)[0] == N_PEOPLE + 2
