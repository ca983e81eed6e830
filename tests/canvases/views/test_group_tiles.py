"""The page of groups shows the role and the canvases of each group."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups.models import AppGroup, Membership, Role
from canvases.models import Canvas

pytestmark = pytest.mark.django_db


def add(group, *states):
    Canvas.objects.bulk_create(Canvas(app_group=group, name="x", state=state) for state in states)


def tiles(client, **headers):
    html = client.get("/groups/", headers=headers).content.decode()
    slugs = re.findall(r'href="/g/([a-z0-9]+)/".*?</a>', html.split("<main")[1], re.DOTALL)
    texts = re.findall(r"(?s)card-link.*?</a>", html)
    return dict(
        zip(slugs, [" ".join(re.sub("<[^>]+>", " ", text).split()) for text in texts], strict=True)
    )


def test_a_tile_shows_role_and_canvases(acme, other_group, bob, signed_in):
    Membership.objects.create(user=bob, app_group=other_group, role=Role.VIEWER)
    add(acme, "live", "live", "draft", "stopped", "archived")
    tile_list = tiles(signed_in(bob))

    assert "Marketer 2 live canvases · 1 draft" in tile_list["acme"]
    assert "Viewer No canvas yet" in tile_list["umbrella"]
    assert "2 aktive Canvases · 1 Entwurf" in tiles(signed_in(bob), accept_language="de")["acme"]


def test_the_canvases_of_other_groups_are_not_counted(acme, other_group, bob, signed_in):
    add(other_group, "live", "draft")
    tile_list = tiles(signed_in(bob))

    assert list(tile_list) == ["acme"]
    assert "No canvas yet" in tile_list["acme"]


def test_the_page_has_a_constant_number_of_queries(acme, bob, signed_in):
    client = signed_in(bob)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get("/groups/")
        return len(captured)

    add(acme, "live")
    few = queries()
    for n in range(5):
        more = AppGroup.objects.create(name=f"More {n}", slug=f"more{n}")
        Membership.objects.create(user=bob, app_group=more, role=Role.ADMIN)
        add(more, "live", "draft")
    assert queries() == few
