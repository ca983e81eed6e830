"""The key of another group with real ids of acme reads nothing and changes nothing."""

import json

import pytest
from django.utils import timezone

from audiencesync.people.models import Erasure, Event, Profile, Segment, UserAlias
from canvases import engine
from canvases.models import Canvas, Step, Visit
from partners import sync
from partners.models import AdAccount, Audience, Connection, Delivery, Sync
from tests.rest.test_every_operation import OPERATIONS
from tests.support.rest_api import Caller

pytestmark = pytest.mark.thorough

SECRET = "canary-of-acme"
EMAIL, PHONE, IDFA = (
    f"{SECRET}@example.org",
    "+4915112345678",
    "6D92078A-8246-4BA4-AE5B-76104861E7DC",
)
ALIAS = {"alias_label": "l", "alias_name": SECRET}
LEAD = {"alias_label": "l", "alias_name": f"{SECRET}-lead"}  # an anonymous profile
ANY_DAY = "2026-11-01"
# Each way to refer to Ann: field of the API -> its value.
REFERENCES = {
    "external_id": lambda world: SECRET,
    "braze_id": lambda world: world["ann"].braze_id,
    "user_alias": lambda world: ALIAS,
    "email": lambda world: EMAIL,
    "phone": lambda world: PHONE,
}
ARRAYS = ("external_ids", "braze_ids", "user_aliases", "email_addresses", "phone_numbers")


def tracking(field):
    return lambda world: {"attributes": [{field: REFERENCES[field](world), "x": 1}]}


def deletion(array, field):
    def build(world):
        value = REFERENCES[field](world)
        # Only e-mails and phones are objects.
        return {array: [{field: value} if field in ("email", "phone") else value]}

    return build


# Method, path, and a function that builds the parameters or the body.
CALLS = [("post", "/users/track", tracking(field)) for field in REFERENCES]
CALLS += [
    ("post", "/users/delete", deletion(array, field))
    for array, field in zip(ARRAYS, REFERENCES, strict=True)
]
CALLS += [
    (
        "post",
        "/users/alias/new",
        lambda world: {
            "user_aliases": [{"external_id": SECRET, "alias_label": "l", "alias_name": "new"}]
        },
    ),
    (
        "post",
        "/users/identify",
        lambda world: {"aliases_to_identify": [{"external_id": "new", "user_alias": LEAD}]},
    ),
    (
        "post",
        "/users/identify",
        lambda world: {"emails_to_identify": [{"external_id": "new", "email": f"lead-{EMAIL}"}]},
    ),
    ("post", "/users/export/ids", lambda world: {"braze_id": world["ann"].braze_id}),
    ("post", "/users/export/ids", lambda world: {"email_address": EMAIL}),
    ("post", "/users/export/ids", lambda world: {"device_id": IDFA}),
    (
        "post",
        "/users/export/ids",
        lambda world: {"user_aliases": [ALIAS], "fields_to_export": ["email"]},
    ),
    (
        "post",
        "/users/export/ids",
        lambda world: {"external_ids": [SECRET], "fields_to_export": ["email"]},
    ),
    (
        "post",
        "/canvas/trigger/send",
        lambda world: {
            "canvas_id": str(world["canvas"].api_id),
            "recipients": [{"external_user_id": "late"}],  # who is not in the canvas yet
        },
    ),
    ("get", "/canvas/list", lambda world: {}),
    ("get", "/canvas/details", lambda world: {"canvas_id": world["canvas"].api_id}),
    (
        "get",
        "/canvas/data_series",
        lambda world: {"canvas_id": world["canvas"].api_id, "ending_at": ANY_DAY, "length": 1},
    ),
    (
        "get",
        "/canvas/data_summary",
        lambda world: {"canvas_id": world["canvas"].api_id, "length": 1},
    ),
    ("get", "/segments/data_series", lambda world: {"segment_id": world["segment"].api_id}),
    ("get", "/events/list", lambda world: {}),
    ("get", "/segments/list", lambda world: {}),
    ("get", "/segments/details", lambda world: {"segment_id": world["segment"].api_id}),
    ("get", "/audiences", lambda world: {}),
    ("get", "/deliveries", lambda world: {"external_id": SECRET}),
    ("get", "/deliveries", lambda world: {"braze_id": world["ann"].braze_id}),
    ("get", "/deliveries", lambda world: ALIAS),
    ("get", "/users/erasures", lambda world: {"key": world["erasure"].key}),
]
TABLES = (
    Profile.everybody,
    UserAlias.objects,
    Event.objects,
    Segment.objects,
    Canvas.objects,
    Visit.objects,
)
TABLES += (Erasure.objects, Delivery.objects, Audience.objects)


@pytest.fixture
def world(acme, alice, api, settings, tmp_path):
    """Create one row of everything that has an id."""
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")
    now = timezone.now()
    ann = {"external_id": SECRET, "email": EMAIL, "phone": PHONE, "idfa": IDFA, "secret": SECRET}
    lead = {"user_alias": LEAD, "email": f"lead-{EMAIL}", "_update_existing_only": False}
    api.track(
        attributes=[ann, lead],
        events=[{"external_id": SECRET, "name": SECRET, "time": f"{ANY_DAY}T10:00:00Z"}],
    )
    api.post("/users/alias/new", {"user_aliases": [ALIAS | {"external_id": SECRET}]})
    rows = {"ann": Profile.objects.get(external_id=SECRET)}
    rows["segment"] = Segment.objects.create(app_group=acme, name=SECRET)
    rows["canvas"] = Canvas.objects.create(app_group=acme, name=SECRET, segment=rows["segment"])
    Step.objects.create(canvas=rows["canvas"], kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(rows["canvas"], by=alice, now=now)
    engine.admit(rows["canvas"].pk, now=now)
    # Created after the launch, so that a call of the API can let this profile enter.
    Profile.objects.create(app_group=acme, external_id="late")
    rows["erasure"] = Erasure.objects.create(
        app_group=acme, state="done", asked_by=SECRET, requested_at=now
    )
    _enqueue(acme, rows["ann"], now=now)
    return rows


def _enqueue(group, person, *, now):
    connection = Connection(partner="tiktok", app_group=group, connected_at=now)
    connection.set_token("a-token")
    connection.save()
    account = AdAccount.objects.create(connection=connection, remote_id="7000", name="EU")
    audience = Audience.objects.create(ad_account=account, remote_id="1001", name=SECRET)
    target = Sync.objects.create(
        app_group=group, audience=audience, action="add", kinds=["email"], label="x", url="/"
    )
    sync.enqueue(
        target,
        Profile.objects.filter(pk=person.pk).values_list("pk", "pk"),
        now=now,
    )


def rows_of_acme():
    return {rows.model: list(rows.order_by("pk").values()) for rows in TABLES}


def reloaded(before):
    """Return the rows in ``before`` as they are now."""
    return {
        rows.model: list(
            rows.filter(pk__in=[row["id"] for row in before[rows.model]]).order_by("pk").values()
        )
        for rows in TABLES
    }


def content(answer):
    """Return the body without ``invalid_user_ids``, which repeats ids that the caller sent."""
    body = answer.json()
    return json.dumps({name: value for name, value in body.items() if name != "invalid_user_ids"})


@pytest.mark.parametrize(("method", "path", "build"), CALLS)
def test_only_acme_reaches_rows_of_acme(api, issue_key, other_group, world, method, path, build):
    request, before = build(world), rows_of_acme()
    foreign = getattr(Caller(issue_key(other_group)), method)(path, request)
    assert foreign.status_code < 500
    assert SECRET not in content(foreign)
    assert reloaded(before) == before
    before = rows_of_acme()
    # With a key of acme the same request works: it reads or changes rows, or finds an id that was
    # unknown (400) to the other group.
    answer = getattr(api, method)(path, request)
    assert answer.status_code in (200, 201)
    assert SECRET in content(answer) or rows_of_acme() != before or foreign.status_code == 400


def test_every_operation_is_covered():
    empty = {("get", "/campaigns/list"), ("get", "/feed/list")}
    assert {(method, path) for method, path, _build in CALLS} | empty == set(OPERATIONS)
