"""What a page asks for first is filled with the accent; deleting people never is."""

import pytest

pytestmark = pytest.mark.django_db


def test_the_page_of_erasures_asks_nobody_to_erase_people(alice, acme, signed_in):
    page = (
        signed_in(alice)
        .get("/g/acme/people/erasures/")
        .content.decode()
        .split("<main")[1]
        .split("</main>")[0]
    )
    assert "Erase people</a>" in page
    assert "btn-primary" not in page
