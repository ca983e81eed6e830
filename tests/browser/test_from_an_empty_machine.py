"""README's commands on an empty SQLite and PostgreSQL; the browser does the rest of the job."""

from contextlib import contextmanager, nullcontext

import pytest
import requests
from playwright.sync_api import expect

from tests.browser import actions
from tests.browser.installation import Installation, fill_exports, readme_commands
from tests.support.stack import wait_until
from tests.system.machines.servers import database

N_PEOPLE = 40
FILE = "external_id,email\n" + "".join(f"shop-{n},p{n}@example.org\n" for n in range(N_PEOPLE))
TIMEOUT_MS = 90_000  # until all are imported or synced


@contextmanager
def running_installation(folder, server):
    """``server`` gives the URL of an empty database, or None for SQLite."""
    with server as url:
        installation = Installation(folder, url)
        try:
            installation.start()
            yield installation
        finally:
            installation.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def stack(request, tmp_path):
    """Yield an installation by README's commands in place of the usual stack."""
    server = database() if request.param == "postgresql" else nullcontext()
    with running_installation(tmp_path, server) as installation:
        yield installation


def set_up(page, stack):
    """Use the link in the log to become a signed-in admin of a group."""
    page.goto("/")
    expect(page.locator("main")).to_contain_text("manage.py setup")
    wait_until(
        lambda: len(stack.links()) == 2,
        seconds=180,
        what="web and engine did not print their links",
    )
    page.goto(stack.links()[0])
    for name, value in {
        "email": "olga@example.org",
        "password": "correct horse battery",
        "name": "Acme",
    }.items():
        page.locator(f"input[name={name}]").fill(value)
    for name, value in {"time_zone": "Europe/Berlin", "phone_region": "DE"}.items():
        page.locator(f"select[name={name}]").select_option(value)
    page.locator("main form button").last.click()
    page.wait_for_url("**/g/acme/**")


def import_people(page):
    page.goto("/g/acme/people/imports/new/")
    file = {"name": "people.csv", "mimeType": "text/csv", "buffer": FILE.encode()}
    page.locator("input[type=file]").set_input_files(files=[file])
    page.locator("main form[method=post] .btn-primary").click()
    page.locator("input[name=segment_name]").fill("Everybody")
    page.locator("button[name=start]").click()
    expect(page.locator("#import-state [data-number]").first).to_have_text(
        str(N_PEOPLE), timeout=TIMEOUT_MS
    )


def test_readme_and_browser_lead_to_people_in_an_audience(stack, open_page):
    page = open_page("en", 1280)
    set_up(page, stack)
    actions.ensure_connected(page)
    import_people(page)
    actions.new_canvas(page, "First", segment="Everybody")
    actions.add_sync(page, "First audience", identifiers=("email",))
    actions.launch(page)
    expect(page.locator("[data-metric=synced]").first).to_have_text(
        str(N_PEOPLE), timeout=TIMEOUT_MS
    )
    (audience,) = actions.sandbox_audiences(stack, "First audience")
    assert audience["people"] == N_PEOPLE
    assert requests.get(stack.url + stack.links()[1], timeout=60).status_code == 410


def test_a_value_without_an_export_in_the_block_fails():
    with pytest.raises(AssertionError):
        fill_exports("export SITE_URL=x", {"SITE_URL": "y", "SECRET_KEY": "z"})
    assert "export SECRET_KEY=" in readme_commands()
