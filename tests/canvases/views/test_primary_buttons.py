"""The main action of a page has a primary button, but erasing people never does."""

import pytest

pytestmark = pytest.mark.django_db


def test_erase_people_is_no_primary_button(alice, acme, signed_in):
    page = (
        signed_in(alice)
        .get("/g/acme/people/erasures/")
        .content.decode()
        .split("<main")[1]
        .split("</main>")[0]
    )
    assert "Erase people</a>" in page
    assert "btn-primary" not in page


def test_the_page_of_notifications_has_one(alice, acme, signed_in):
    page = signed_in(alice).get("/g/acme/health/notices/").content.decode()

    assert page.count('<button class="btn btn-primary"') == 1
    assert page.count("data-busy=") > 1  # the forms of limits and webhook are there
