"""Several people share an e-mail or a phone: ``prioritization`` says which of them a call means."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step, Visit

MAIL = "shared@example.org"
WHOM = [
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
NONSENSE = [
    ["nonsense"],
    "identified",
    [["identified"]],
    [None],
    {"identified": 1},
    ["identified", "unidentified"],
]


@pytest.fixture(autouse=True)
def people(api, settings, tmp_path):
    """Name -> id of three people with one e-mail, updated in this order: old, lead, new."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    api.track(
        attributes=[{"external_id": "old", "email": MAIL}, {"external_id": "new", "email": MAIL}]
    )
    lead = {"alias_label": "l", "alias_name": "lead"}
    api.track(attributes=[{"user_alias": lead, "email": MAIL, "_update_existing_only": False}])
    found = {one.external_id or "lead": one.pk for one in Profile.objects.all()}
    for age, name in enumerate(("new", "lead", "old")):
        Profile.objects.filter(pk=found[name]).update(
            updated_at=timezone.now() - timedelta(days=age)
        )
    return found


def wish(prioritization):
    return {"email": MAIL} | ({} if prioritization is None else {"prioritization": prioritization})


@pytest.mark.parametrize(("prioritization", "who"), WHOM)
def test_the_one_who_is_named_is_erased(api, people, prioritization, who):
    body = api.post("/users/delete", {"email_addresses": [wish(prioritization)]}).json()
    assert body["deleted"] == 1
    assert set(people.values()) - set(Profile.objects.values_list("pk", flat=True)) == {people[who]}


@pytest.mark.parametrize("prioritization", NONSENSE)
def test_nobody_is_erased_for_a_wish_nobody_knows(api, prioritization):
    answer = api.post("/users/delete", {"email_addresses": [wish(prioritization)]})
    assert answer.status_code == 400 or answer.json()["errors"][0]["type"] == "BAD_PRIORITIZATION"
    assert Profile.objects.count() == 3


def test_by_phone(api, people):
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
    segment = Segment.objects.create(app_group=acme, name="Nobody yet", filter=NOBODY)
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=segment)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=alice, now=timezone.now())
    engine.admit(row.pk, now=timezone.now())
    Segment.objects.update(filter={})
    return row


NOBODY = {"all": [{"field": "country", "op": "is", "value": "XX"}]}


@pytest.mark.parametrize(("prioritization", "who"), WHOM)
def test_the_one_who_is_named_enters(api, canvas, people, prioritization, who):
    recipient = wish(prioritization) | {"attributes": {"cart": 1}}
    assert api.post(
        "/canvas/trigger/send", {"canvas_id": str(canvas.api_id), "recipients": [recipient]}
    ).json()["entered"]
    assert Visit.objects.get().profile_id == people[who]
    assert Profile.objects.get(attributes__cart=1).pk == people[who]


@pytest.mark.parametrize("prioritization", NONSENSE)
def test_nobody_enters_for_a_wish_nobody_knows(api, canvas, prioritization):
    body = {"canvas_id": str(canvas.api_id), "recipients": [wish(prioritization)]}
    (error,) = api.post("/canvas/trigger/send", body).json()["errors"]
    assert (error["type"], error["field"]) == ("BAD_PRIORITIZATION", "prioritization")
    assert not Visit.objects.exists()


def test_of_several_visitors_the_one_who_is_named_is_identified(api, people):
    api.track(
        attributes=[
            {"user_alias": {"alias_label": "l", "alias_name": "2"}, "email": MAIL}
            | {"_update_existing_only": False}
        ]
    )
    for prioritization, who in (
        (["least_recently_updated"], people["lead"]),
        (["identified"], max(people.values()) + 1),
    ):
        body = {"emails_to_identify": [wish(prioritization) | {"external_id": f"as {who}"}]}
        assert api.post("/users/identify", body).json()["aliases_processed"] == 1
        assert Profile.objects.get(external_id=f"as {who}").pk == who
