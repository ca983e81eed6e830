"""The page of a profile, its export, and erasures by an admin."""

import json
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Activity
from audiencesync.people.models import Erasure, Event, Profile, UserAlias
from canvases import engine
from canvases.privacy import erase, export
from tests.support import profiles

pytestmark = pytest.mark.thorough


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def ann(acme, bob_editor, winback, alice, canvas):
    """A person with a visit, a pending delivery, an alias and a purchase."""
    row = Profile(app_group=acme, external_id="ann", email="ann@example.org")
    profiles.set_hashes(row, region="DE")
    row.save()
    properties = {"note": "size 42"}
    Event.objects.create(
        app_group=acme,
        profile=row,
        name="shoe",
        at=timezone.now(),
        kind="purchase",
        price="9.50",
        currency="EUR",
        properties=properties,
    )
    UserAlias.objects.create(app_group=acme, profile=row, label="crm", name="crm-77")
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), winback)
    engine.launch(canvas, by=alice, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())
    return row


def url(name, *args):
    return reverse(name, args=["acme", *args])


def test_the_page_shows_data_of_every_app(ann, bob, signed_in):
    html = signed_in(bob).get(url("profile", ann.pk)).content.decode()
    for expected in ("ann@example.org", "winback", "Cart", "shoe", "size 42", "crm-77", "pending"):
        assert expected in html


def test_viewers_read_neither_identifiers_nor_properties(ann, vera, signed_in):
    html = signed_in(vera).get(url("profile", ann.pk)).content.decode()
    assert "winback" in html
    assert "shoe" in html
    for hidden in ("ann@example.org", "size 42", "crm-77"):
        assert hidden not in html


def test_a_view_is_logged_once_an_hour(ann, bob, vera, signed_in):
    for user in (bob, bob, vera):
        signed_in(user).get(url("profile", ann.pk))
    (line,) = Activity.objects.filter(verb="viewed")
    assert (line.actor, line.subject) == (bob, ann.braze_id)


def test_an_admin_exports_a_profile(ann, alice, bob, signed_in):
    answer = signed_in(alice).post(url("profile_export", ann.pk))
    expected = json.loads(answer.content)
    assert (expected["profile"]["email"], expected["deliveries"][0]["audience"]) == (
        "ann@example.org",
        "winback",
    )
    assert "attachment" in answer["Content-Disposition"]
    assert Activity.objects.filter(verb="exported").count() == 1
    assert signed_in(bob).post(url("profile_export", ann.pk)).status_code == 403


def test_the_braze_export_has_canvases_and_steps(ann, canvas):
    (expected,) = export.as_braze(ann)["canvases_received"]
    (step,) = expected["steps_received"]
    assert (expected["name"], expected["api_canvas_id"], expected["last_entered"] is None) == (
        "Cart",
        str(canvas.api_id),
        False,
    )
    assert step == {
        "name": "winback",
        "api_canvas_step_id": str(canvas.steps.get().api_id),
        "last_received": None,
    }


def test_a_profile_is_erased_after_a_confirmation(ann, alice, signed_in):
    client = signed_in(alice)
    assert "cannot be undone" in client.get(url("profile_erase", ann.pk)).content.decode()
    assert Profile.objects.filter(pk=ann.pk).exists()
    assert client.post(url("profile_erase", ann.pk)).status_code == 302
    assert client.get(url("profile", ann.pk)).status_code == 404
    erase.beat()
    html = client.get(url("erasures")).content.decode()
    assert Erasure.objects.get().key in html
    text = re.sub(r"<[^>]+>", " ", html)  # without the tokens of its forms
    assert "ann" not in text.replace("cannot", "")


@pytest.mark.parametrize(
    ("asked_by", "expected"),
    [
        ("API key Shop", "API-Schlüssel Shop"),
        ("restore", "nach einer Wiederherstellung"),
        ("Al", "Al"),
    ],
)
def test_a_receipt_names_its_origin_in_the_language_of_the_reader(
    ann, acme, alice, signed_in, asked_by, expected
):
    erase.erase(acme, [ann.pk], asked_by=asked_by, now=timezone.now())
    html = signed_in(alice).get(url("erasures"), headers={"Accept-Language": "de"}).content.decode()
    assert f"<bdi>{expected}</bdi>" in html


def test_many_people_are_erased_after_a_confirmation(ann, acme, alice, signed_in):
    Profile.objects.create(app_group=acme, external_id="bert")
    client, ids = signed_in(alice), {"ids": "ann\n bert \n\nnobody\nann"}
    html = client.post(url("erase"), ids).content.decode()
    assert "2 people will be erased" in html
    assert "1 ID is unknown here" in html
    assert Profile.objects.count() == 2
    assert client.post(url("erase"), ids | {"sure": "1"}).status_code == 302
    assert not Profile.objects.exists()
    assert Activity.objects.get(verb="erased").subject == "2 people"


@pytest.mark.parametrize(
    ("ids", "status"),
    [("", 422), ("\n".join(map(str, range(1001))), 422), ("nobody", 200), ("a\0b", 422)],
)
def test_an_invalid_list_erases_no_profile(ann, alice, signed_in, ids, status):
    assert signed_in(alice).post(url("erase"), {"ids": ids, "sure": "1"}).status_code == status
    assert Profile.objects.filter(pk=ann.pk).exists()


@pytest.mark.parametrize("name", ["erase", "erasures", "profile_erase"])
def test_only_admins_may_erase(ann, bob, charlie, signed_in, name):
    args = [ann.pk] if name == "profile_erase" else []
    assert signed_in(bob).get(url(name, *args)).status_code == 403
    assert signed_in(charlie).get(url(name, *args)).status_code == 404


def test_a_person_of_another_group_is_not_found_by_id(ann, other_group, alice, signed_in):
    Profile.objects.create(app_group=other_group, external_id="eve")
    html = signed_in(alice).post(url("erase"), {"ids": "eve", "sure": "1"}).content.decode()
    assert "1 ID is unknown here" in html
    assert Profile.objects.filter(external_id="eve").exists()
