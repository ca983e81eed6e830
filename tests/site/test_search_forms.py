"""A form that puts its fields into the address has none that may hold personal data."""

import re

import pytest

from tests.site import addresses
from tests.site.forms import Forms

pytestmark = pytest.mark.thorough
PAGES = [*addresses.of_groups(), "analytics/", "staff/groups/"]
LAYOUT = {"encoding", "delimiter", "header"}  # how a file is written
ID = re.compile(r"(?<=/)[0-9]+(?=/)")
TABLE = {"q", "group", "state", "since", "until", "sort", "range", "pending"}
# Their text is searched in names of canvases, components, app groups and audiences only.
ALLOWED = {
    "/analytics/": TABLE,
    "/g/acme/analytics/": TABLE,
    "/g/acme/canvases/": {"q", "state"},
    "/g/acme/audiences/": {"q"},
    "/g/acme/people/imports/#/": LAYOUT,
    "/g/acme/partners/tiktok/ad-accounts/#/audiences/": {"q"},
}


def test_no_form_puts_text_about_people_into_the_address(admin, things):
    wrong, n_sent = {}, 0
    for route in PAGES:
        path = addresses.path(route, things)
        answer = admin.get(path)
        if answer.streaming or answer.status_code != 200:
            continue
        for form in Forms(answer.content.decode()).found:
            n_sent += form["method"] == "post"
            extra = {*form["fields"], *form["texts"]} - ALLOWED.get(ID.sub("#", path), set())
            if form["method"] == "get" and extra:
                wrong[path] = extra
    assert wrong == {}
    assert n_sent > 20


@pytest.mark.parametrize("page", ["people/profiles/", "activity/"])
def test_a_search_that_may_name_a_person_is_sent_by_post(admin, page):
    forms = Forms(admin.get(f"/g/acme/{page}").content.decode()).found
    assert [form["method"] for form in forms if "q" in form["texts"]] == ["post"]
