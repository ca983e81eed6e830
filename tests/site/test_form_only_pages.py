"""A GET of a form-only URL explains itself and links to the nearest page."""

import pytest

from canvases.models import Canvas


@pytest.fixture
def launch(acme):
    return f"/g/acme/canvases/{Canvas.objects.create(app_group=acme, name='Journey').pk}/launch/"


def test_the_page_explains_and_links_back(launch, alice, signed_in):
    response = signed_in(alice).get(launch)
    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert "only takes what a form sends" in response.content.decode()
    assert f'href="{launch.removesuffix("launch/")}"' in response.content.decode()


def test_the_link_skips_urls_that_do_not_exist(alice, signed_in):
    response = signed_in(alice).get("/g/acme/members/invitations/1/withdraw/")
    assert 'href="/g/acme/members/"' in response.content.decode()
