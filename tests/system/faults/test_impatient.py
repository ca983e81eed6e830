"""F33, F40: two clicks at once create one audience; the 401st is refused and leaves no rows."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.urls import reverse

from canvases.models import Canvas, Step
from partners import housekeeping
from partners.audiences import creation
from partners.models import Audience
from tiktok_sandbox.seed import EU

pytestmark = pytest.mark.thorough

ROUNDS = 20


@pytest.fixture
def create_audience(world, alice, signed_in, monkeypatch):
    """create_audience(name) -> the response to "Create audience" in the editor of a step."""
    monkeypatch.setattr(creation, "CREATE_RATE", 1000.0)
    canvas = Canvas.objects.create(app_group=world.app_group, name="Cart")

    def click(name):
        step = Step.objects.filter(canvas=canvas).first()
        form = {
            "version": step.version,
            "ad_account": world.eu.pk,
            "audience": "",
            "audience_name": name,
        }
        address = reverse("step_audience", args=["acme", canvas.pk, step.pk])
        try:
            return signed_in(alice).post(
                address, form | {"action": "add", "kinds": ["email"]}, follow=True
            )
        finally:
            connections.close_all()

    Step.objects.create(canvas=canvas, kind="audience_sync", settings={})
    return click


def _count_creations(world):
    """Return the number of requests that create an audience."""
    return [line.endpoint for line in world.sandbox.log.all()].count("segment/audience")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_create_one_audience(create_audience, world):
    for number in range(ROUNDS):
        name = f"audience {number}"
        with ThreadPoolExecutor(2) as pool:
            pages = [answer.content.decode() for answer in pool.map(create_audience, [name, name])]
        assert [f"“{name}” was created as a new audience" in page for page in pages] == [True, True]
        assert len([row for row in world.sandbox.audiences.of(EU) if row.name == name]) == 1
        assert Audience.objects.filter(name=name).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_400th_audience_is_created_and_the_401st_leaves_no_traces(create_audience, world):
    for number in range(399 - len(world.sandbox.audiences.of(EU))):
        world.sandbox.audiences.create(EU, f"old {number}")
    assert "was created as a new audience" in create_audience("the last").content.decode()
    n_before = _count_creations(world)
    page = create_audience("one too many").content.decode()
    n_after = _count_creations(world)
    assert n_after - n_before <= 1
    world.beat_for(0.3)
    housekeeping.beat()
    assert _count_creations(world) == n_after
    assert "is full: TikTok allows 400 audiences" in page
    assert not Audience.objects.filter(name="one too many").exists()
    assert [row for row in world.sandbox.audiences.of(EU) if row.name == "one too many"] == []
