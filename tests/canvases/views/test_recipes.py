"""A recipe makes a draft that can be launched after at most three choices."""

from datetime import timedelta

import pytest
import time_machine
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.segments import filters, live
from canvases import checklist, engine, recipes
from canvases.models import Canvas
from partners.models import Batch

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

CHOICES = {
    "suppression": {"product": "", "days": 180},
    "retargeting": {"event": "app_open", "days": 30},
    "lookalikes": {"times": 3, "days": 365},
    "winback": {"product": "shoe", "days": 90},
    "cart": {"event": "add_to_cart", "hours": 2},
}


@pytest.fixture
def choose(acme, bob, signed_in):
    """choose(recipe, **choices) -> the answer to the form of a recipe."""

    def post(recipe, **choices):
        return signed_in(bob).post(reverse("canvas_recipe", args=[acme.slug, recipe]), choices)

    return post


def test_every_recipe_asks_for_at_most_three_choices():
    assert CHOICES.keys() == recipes.RECIPES.keys()
    assert all(len(recipe.asks) <= 2 for recipe in recipes.RECIPES.values())


@pytest.mark.parametrize("recipe", CHOICES)
def test_a_recipe_makes_a_draft_without_blockers(choose, winback, recipe):
    answer = choose(recipe, audience=winback.pk, **CHOICES[recipe])

    canvas = Canvas.objects.get()
    assert answer.status_code == 302
    assert canvas.state == "draft"
    assert checklist.blockers(canvas, now=timezone.now()) == []
    assert canvas.steps.get(kind="audience_sync").settings["removes"] is True


@pytest.mark.parametrize("recipe", CHOICES)
def test_the_segment_of_a_recipe_can_be_read(choose, winback, recipe):
    choose(recipe, audience=winback.pk, **CHOICES[recipe])

    canvas = Canvas.objects.get()
    assert (canvas.entry_by, canvas.reentry) == ("event" if recipe == "cart" else "segment", "left")
    assert filters.members(canvas.segment).count() == 0


def test_the_cart_recipe_enters_by_event_and_ends_with_a_purchase(choose, winback):
    choose("cart", audience=winback.pk, **CHOICES["cart"])

    canvas = Canvas.objects.get()
    assert canvas.entry == {"kind": "event", "name": "add_to_cart", "where": []}
    assert canvas.exits["events"] == [{"kind": "purchase", "name": "", "where": []}]
    assert canvas.steps.get(kind="delay").settings == {"amount": 2, "unit": "hours"}


def test_people_of_an_abandoned_cart_leave_the_audience_after_thirty_days(
    choose, winback, people, bob
):
    choose("cart", audience=winback.pk, **CHOICES["cart"])
    canvas, start = Canvas.objects.get(), timezone.now()
    engine.launch(canvas, by=bob, now=start)
    cart = [{"external_id": "p1", "name": "add_to_cart", "time": start.isoformat()}]
    track(canvas.app_group, {"attributes": [], "events": cart, "purchases": []}, now=start)
    added = []
    for days in (0, 1, 30, 33):
        with time_machine.travel(start + timedelta(days=days), tick=False):
            while live.work(now=timezone.now(), seconds=9):
                pass
            while engine.move_all(now=timezone.now()):
                pass
        added.append(Batch.objects.order_by("pk").values_list("action", flat=True).last())

    assert added == [None, "add", "add", "remove"]


def test_the_audience_may_be_chosen_later(choose):
    answer = choose("winback", **CHOICES["winback"])

    assert answer.status_code == 302
    assert Canvas.objects.get().steps.get().sync is None


def test_the_same_recipe_twice_makes_two_segments(choose, acme):
    for _n in range(2):
        choose("winback", **CHOICES["winback"])

    assert set(acme.segments.values_list("name", flat=True)) == {"Win-back", "Win-back 2"}


@pytest.mark.parametrize("days", ["", "0", "731", "soon"])
def test_bad_days_make_nothing(choose, acme, days):
    answer = choose("winback", product="", days=days)

    assert answer.status_code == 422
    assert not acme.segments.exists()


def test_an_audience_of_another_group_is_refused(choose, winback, other_group):
    winback.ad_account.connection.app_group = other_group
    winback.ad_account.connection.save()

    assert choose("winback", audience=winback.pk, **CHOICES["winback"]).status_code == 422


def test_an_unknown_recipe_is_404(choose):
    assert choose("soup").status_code == 404


def test_a_viewer_sees_no_recipe(acme, vera, signed_in):
    client = signed_in(vera)

    assert client.get(reverse("canvas_recipe", args=[acme.slug, "winback"])).status_code == 403
    assert (
        "Abandoned cart" not in client.get(reverse("canvases", args=[acme.slug])).content.decode()
    )


def test_the_empty_list_offers_all_recipes(acme, bob, signed_in):
    page = signed_in(bob).get(reverse("canvases", args=[acme.slug])).content.decode()

    for key in CHOICES:
        assert reverse("canvas_recipe", args=[acme.slug, key]) in page


def test_three_recipes_are_shown_beside_an_empty_canvas(bob_editor, editor_of, vera):
    def offered(of):
        page = of.get().content.decode().split('id="panel"')[1].split("</section>")[0]
        return page.count("/canvases/new/")

    assert offered(bob_editor) == 3 + 1  # and the page of all
    assert offered(editor_of(vera)) == 0
    bob_editor.add_step("delay")
    assert offered(bob_editor) == 0
