"""Import a file in every language and width: preview, mapping, check, progress, result, segment."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.test_every_page import violations

N = 3000
ROWS = "".join(
    f"shop-{n};p{n}@example.org;0151 {10000000 + n};{'ja' if n % 2 else 'nein'};{n % 7},5\n"
    for n in range(N)
)
FILE = (
    f"Kundennummer;E-Mail;Telefon;Newsletter;Bestellwert\n{ROWS}"
    ";ohne@example.org;;;\nshop-1;;;vielleicht;\n"
)
REJECTED = "#import-state form[action$='/rejects/'] button"


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


def finished(page):
    expect(page.locator(REJECTED)).to_be_visible(timeout=60_000)
    numbers = page.locator("#import-state [data-number]").all_inner_texts()
    return [int(re.sub(r"\D", "", text)) for text in numbers]


def test_an_import_from_upload_to_segment(page, look, sign_in, shoot):
    name = "-".join(map(str, look))
    sign_in(page)
    page.goto("/g/acme/people/imports/new/")
    wrong = violations(page, look)
    shoot("import-upload")
    upload(page, name)
    expect(page.locator("select[name=delimiter]")).to_have_value("semicolon")
    expect(page.locator("select[name=target_1]")).to_have_value("email")
    wrong += violations(page, look)
    shoot("import-mapping")
    if look[1] > 390:  # on a phone the segment is made afterwards
        page.locator("input[name=segment_name]").fill(f"Shop {name}")
    page.locator("button[name=check]").click()
    expect(page.locator("#checked")).to_be_focused()
    wrong += violations(page, look)
    shoot("import-checked")
    start(page)
    wrong += violations(page, look)
    shoot("import-progress")
    read, created, updated, repeated, rejected = finished(page)
    # a cell that fits nothing is left out, its row is not
    assert (read, created + updated, repeated, rejected) == (N + 2, N, 1, 1)
    wrong += violations(page, look)
    shoot("import-result")
    with page.expect_download() as download:
        page.locator(REJECTED).click()
    assert download.value.path().read_text("utf-8-sig").count("\n") == 3
    if look[1] > 390:
        page.locator("#import-state a[href*='/segments/']").click()
    else:
        page.locator("#import-state form[action$='/segment/'] .btn-primary").click()
    expect(page.locator("main")).to_contain_text("3.000" if look[0] == "de" else "3,000")
    page.goto("/g/acme/people/imports/")
    wrong += violations(page, look)
    shoot("imports")
    for behind in ("/people/?number=", "/rows/?number="):
        page.goto("/g/acme/people/imports/")
        page.locator(f"main a[href*='{behind}']").first.click()
        expect(page.locator("main tbody tr").first).to_be_visible()
        wrong += violations(page, look)
    assert wrong == []


@pytest.mark.slow
def test_without_javascript(open_page, sign_in):
    page = open_page("en", 1280, javascript=False)
    sign_in(page)
    upload(page, "plain")
    start(page)
    for _ in range(240):
        if page.locator(REJECTED).count():
            break
        page.locator("#import-state a.no-js-only").click()
        page.wait_for_timeout(500)
    assert finished(page)[0] == N + 2
