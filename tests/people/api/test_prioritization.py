"""``prioritization`` chooses among profiles that share an e-mail or a phone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step, Visit

EMAIL = "shared@example.org"
CHOICES = [
    (None, "new"),
    ([], "new"),
    (["most_recently_updated"], "new"),
    (["least_recently_updated"], "old"),
    (["identified"], "new"),
    (["identified", "least_recently_updated"], "old"),
    (["unidentified"], "lead"),
    (["unidentified", "least_recently_updated"], "lead"),
    (["least_recently_updated", "unidentified"], "old"),
]
INVALID = [
    ["nonsense"],
    "identified",
    [["identified"]],
    [None],
    {"identified": 1},
    ["identified", "unidentified"],
]


@pytest.fixture(autouse=True)
def people(api, settings, tmp_path):
    """Return the ids of three profiles with one e-mail, updated in the order old, lead, new."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    api.track(
        attributes=[{"external_id": "old", "email": EMAIL}, {"external_id": "new", "email": EMAIL}]
    )
    lead = {"alias_label": "l", "alias_name": "lead"}
    api.track(attributes=[{"user_alias": lead, "email": EMAIL, "_update_existing_only": False}])
    id_of = {profile.external_id or "lead": profile.pk for profile in Profile.objects.all()}
    for age, name in enumerate(("new", "lead", "old")):
        Profile.objects.filter(pk=id_of[name]).update(
            updated_at=timezone.now() - timedelta(days=age)
        )
    return id_of


def reference(prioritization):
    return {"email": EMAIL} | ({} if prioritization is None else {"prioritization": prioritization})


@pytest.mark.parametrize(("prioritization", "name"), CHOICES)
def test_the_chosen_profile_is_erased(api, people, prioritization, name):
    body = api.post("/users/delete", {"email_addresses": [reference(prioritization)]}).json()
    assert body["deleted"] == 1
    assert set(people.values()) - set(Profile.objects.values_list("pk", flat=True)) == {
        people[name]
    }


@pytest.mark.parametrize("prioritization", INVALID)
def test_no_profile_is_erased_for_an_invalid_prioritization(api, prioritization):
    answer = api.post("/users/delete", {"email_addresses": [reference(prioritization)]})
    assert answer.status_code == 400 or answer.json()["errors"][0]["type"] == "BAD_PRIORITIZATION"
    assert Profile.objects.count() == 3


def test_the_chosen_profile_is_erased_by_phone(api, people):
    Profile.objects.filter(pk=people["old"]).update(phone_sha256=b"x" * 32)
    api.track(
        attributes=[{"external_id": name, "phone": "+4915112345678"} for name in ("old", "new")]
    )
    order = {"phone": "+4915112345678", "prioritization": ["least_recently_updated"]}
    Profile.objects.filter(pk=people["old"]).update(updated_at=timezone.now() - timedelta(days=9))
    assert api.post("/users/delete", {"phone_numbers": [order]}).json()["deleted"] == 1
    assert not Profile.objects.filter(pk=people["old"]).exists()


@pytest.fixture
def canvas(acme, alice):
    segment = Segment.objects.create(app_group=acme, name="Nobody yet", filter=NO_PERSON)
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=segment)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=alice, now=timezone.now())
    engine.admit(row.pk, now=timezone.now())
    Segment.objects.update(filter={})
    return row


NO_PERSON = {"all": [{"field": "country", "op": "is", "value": "XX"}]}


@pytest.mark.parametrize(("prioritization", "name"), CHOICES)
def test_the_chosen_profile_enters(api, canvas, people, prioritization, name):
    recipient = reference(prioritization) | {"attributes": {"cart": 1}}
    assert api.post(
        "/canvas/trigger/send", {"canvas_id": str(canvas.api_id), "recipients": [recipient]}
    ).json()["entered"]
    assert Visit.objects.get().profile_id == people[name]
    assert Profile.objects.get(attributes__cart=1).pk == people[name]


@pytest.mark.parametrize("prioritization", INVALID)
def test_no_profile_enters_for_an_invalid_prioritization(api, canvas, prioritization):
    body = {"canvas_id": str(canvas.api_id), "recipients": [reference(prioritization)]}
    (error,) = api.post("/canvas/trigger/send", body).json()["errors"]
    assert (error["type"], error["field"]) == ("BAD_PRIORITIZATION", "prioritization")
    assert not Visit.objects.exists()


def test_the_chosen_anonymous_profile_is_identified(api, people):
    api.track(
        attributes=[
            {"user_alias": {"alias_label": "l", "alias_name": "2"}, "email": EMAIL}
            | {"_update_existing_only": False}
        ]
    )
    for prioritization, pk in (
        (["least_recently_updated"], people["lead"]),
        (["identified"], max(people.values()) + 1),
    ):
        body = {"emails_to_identify": [reference(prioritization) | {"external_id": f"as {pk}"}]}
        assert api.post("/users/identify", body).json()["aliases_processed"] == 1
        assert Profile.objects.get(external_id=f"as {pk}").pk == pk
