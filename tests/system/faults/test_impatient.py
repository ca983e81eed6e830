"""F33, F40: two clicks at once create one audience, twenty times over; the 401st is refused and leaves nothing behind."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections
from django.urls import reverse

from canvases.models import Canvas, Step
from partners import housekeeping
from partners.audiences import creation
from partners.models import Audience
from tiktok_sandbox.seed import EU

TIMES = 20


@pytest.fixture
def press(town, alice, signed_in, monkeypatch):
    """press(name) -> the answer to "Create audience" in the editor of a step."""
    monkeypatch.setattr(creation, "CREATE_RATE", 1000.0)
    canvas = Canvas.objects.create(app_group=town.app_group, name="Cart")

    def click(name):
        step = Step.objects.filter(canvas=canvas).first()
        wish = {
            "version": step.version,
            "ad_account": town.eu.pk,
            "audience": "",
            "audience_name": name,
        }
        address = reverse("step_audience", args=["acme", canvas.pk, step.pk])
        try:
            return signed_in(alice).post(
                address, wish | {"action": "add", "kinds": ["email"]}, follow=True
            )
        finally:
            connections.close_all()

    Step.objects.create(canvas=canvas, kind="audience_sync", settings={})
    return click


def _creations(town):
    """How often the partner was asked to create an audience."""
    return [line.endpoint for line in town.sandbox.log.all()].count("segment/audience")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_create_one_twenty_times(press, town):
    for number in range(TIMES):
        name = f"audience {number}"
        with ThreadPoolExecutor(2) as pool:
            pages = [answer.content.decode() for answer in pool.map(press, [name, name])]
        assert [f"“{name}” was created as a new audience" in page for page in pages] == [True, True]
        assert len([one for one in town.sandbox.audiences.of(EU) if one.name == name]) == 1
        assert Audience.objects.filter(name=name).count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_last_one_works_and_the_next_leaves_nothing_behind(press, town):
    for number in range(399 - len(town.sandbox.audiences.of(EU))):
        town.sandbox.audiences.create(EU, f"old {number}")
    assert "was created as a new audience" in press("the last").content.decode()
    before = _creations(town)
    page = press("one too many").content.decode()
    refused = _creations(town)
    assert refused - before <= 1
    town.beats(0.3)
    housekeeping.beat()
    assert _creations(town) == refused
    assert "is full: TikTok allows 400 audiences" in page
    assert not Audience.objects.filter(name="one too many").exists()
    assert [one for one in town.sandbox.audiences.of(EU) if one.name == "one too many"] == []
