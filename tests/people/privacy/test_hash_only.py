"""A hash-only group stores no raw identifier in any table and sends the same requests."""

import uuid
import zlib
from datetime import timedelta

import pytest
import requests
import time_machine
from django.db import connection
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change
from audiencesync.people.models import Profile
from audiencesync.people.writing import rework
from audiencesync.people.writing.upsert import upsert
from tests.support.import_pages import run_imports
from tests.support.rest_api import Caller
from tests.support.segment_form import segment_data

pytestmark = pytest.mark.thorough

RAW = {
    "by call": ("Anna.Call@Example.org", "+4915112345601", "0A1B2C3D-0000-4000-8000-000000000001"),
    "changed by call": (
        "anna.new@example.org",
        "+4915112345602",
        "0A1B2C3D-0000-4000-8000-000000000002",
    ),
    "by file": ("Berta.File@Example.org", "+4915112345603", "0A1B2C3D-0000-4000-8000-000000000003"),
    "rejected": (
        "carla.rejected@example.org",
        "+4915112345604",
        "0A1B2C3D-0000-4000-8000-000000000004",
    ),
    "unusable": ("dora.bad(at)example.org", "0049 1 5", "0A1B2C3D-not-a-device"),
    "by e-mail": (
        "emil.only@example.org",
        "+4915112345605",
        "0A1B2C3D-0000-4000-8000-000000000005",
    ),
}
FILE = "external_id,email,phone,idfa\n"


@pytest.fixture
def api(acme):
    return Caller(api_keys.issue(acme, name="test", scopes=list(api_keys.SCOPES), by=None)[1])


@pytest.fixture
def bodies(monkeypatch):
    """Record the bodies of requests to TikTok, as bytes."""
    sent = []
    send = requests.adapters.HTTPAdapter.send

    def recorded(self, request, **options):
        if "segment/mapping" in request.url:
            sent.append(request.body)
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", recorded)
    return sent


def track(api, source, **more):
    email, phone, idfa = RAW[source]
    more |= {"email": email, "phone": phone, "idfa": idfa}
    return api.post("/users/track", {"attributes": [more]}, Idempotency_Key=uuid.uuid4().hex)


def send_by_every_path(api, import_pages):
    """Send people through the API and an import, one path after the other."""
    first = track(api, "by call", external_id="anna")
    assert first.status_code == 201, first.content
    assert track(api, "changed by call", external_id="anna").status_code == 201
    assert track(api, "by e-mail").status_code == 201
    track(api, "unusable", external_id="dora")
    line = ",".join
    file = (
        f"{FILE}berta,{line(RAW['by file'])}\n,{line(RAW['rejected'])}\n"
        f"dora,{line(RAW['unusable'])}\n"
    )
    run = import_pages.run_to_end(file)
    assert (run.state, run.n_rejected) == ("done", 1)
    api.post(
        "/users/export/ids",
        {"external_ids": ["anna", "berta"], "fields_to_export": ["email", "phone"]},
    )
    api.post(
        "/users/identify",
        {"emails_to_identify": [{"external_id": "emil", "email": RAW["by e-mail"][0]}]},
    )


def dump():
    """Return every cell of every table as text, with compressed cells unpacked."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            texts += [_text(cell) for row in cursor.fetchall() for cell in row]
    return "\n".join(texts)


def _text(cell):
    if not isinstance(cell, bytes | memoryview):
        return str(cell)
    try:
        return zlib.decompress(cell).decode("utf-8", "replace")
    except zlib.error:
        return bytes(cell).decode("latin-1")


def raw_values_in_database(raw):
    """Return the raw values that occur anywhere in the database."""
    text = dump().casefold()
    return [value for values in raw.values() for value in values if value.casefold() in text]


def test_no_table_holds_a_raw_value(acme, world, api, import_pages):
    acme.hash_only = True
    acme.save()
    send_by_every_path(api, import_pages)
    world.enter(world.create_sync(kinds=["email", "phone", "idfa"]), list(Profile.objects.all()))
    world.drain()
    assert raw_values_in_database(RAW) == []
    assert Profile.objects.exclude(email_sha256=None).count() >= 3


def test_raw_values_are_found_in_other_groups(acme, world, api, import_pages):
    # Proves that the search of the database works.
    send_by_every_path(api, import_pages)
    assert set(raw_values_in_database(RAW)) >= {*RAW["by file"], *RAW["rejected"]}


def test_requests_are_identical_byte_for_byte(acme, world, api, import_pages, bodies):
    audience = world.create_audience()
    for is_hash_only in (False, True):
        acme.hash_only = is_hash_only
        acme.save()
        send_by_every_path(api, import_pages)
        people = list(Profile.objects.order_by("pk"))
        assert any(person.email for person in people) is not is_hash_only
        for action in ("add", "remove"):
            world.enter(
                world.create_sync(audience, action, kinds=["email", "phone", "idfa", "gaid"]),
                people,
            )
            world.drain()
        Profile.objects.all().delete()
    assert len(bodies) == 4
    assert [split_people(body) for body in bodies[:2]] == [
        split_people(body) for body in bodies[2:]
    ]


def split_people(body):
    # The order of people is up to the database.
    head, people = body.removesuffix(b"]]}").split(b'"batch_data":[[')
    return head, sorted(people.split(b"],["))


def test_switching_to_hash_only_removes_stored_values(
    acme, world, api, import_pages, alice, signed_in
):
    send_by_every_path(api, import_pages)
    page = signed_in(alice).get("/g/acme/settings/")
    form = page.context["form"]
    values = {
        name: value for name in form.fields if (value := form[name].value()) not in (None, False)
    }
    page = signed_in(alice).post("/g/acme/settings/", values | {"hash_only": "on"})
    n = Profile.objects.count()
    assert f"IDs of {n} people will be wiped" in page.content.decode()
    rework.rework()
    assert raw_values_in_database(RAW) != []
    answer = signed_in(alice).post("/g/acme/settings/", values | {"hash_only": "on", "sure": "1"})
    assert answer.status_code == 302
    rework.rework()
    run_imports()
    assert raw_values_in_database(RAW) == []


def test_a_write_in_progress_during_the_switch_is_removed_too(acme, alice, signed_in):
    read_before = AppGroup.objects.get(pk=acme.pk)
    form = signed_in(alice).get("/g/acme/settings/").context["form"]
    values = {
        name: value for name in form.fields if (value := form[name].value()) not in (None, False)
    }
    answer = signed_in(alice).post("/g/acme/settings/", values | {"hash_only": "on", "sure": "1"})
    assert answer.status_code == 302
    rework.rework()
    upsert(
        read_before,
        [Change(external_id="x", fields={"email": "late@example.org"})],
        now=timezone.now(),
    )
    rework.rework()
    with time_machine.travel(timezone.now() + timedelta(minutes=3)):
        rework.rework()
    late = Profile.objects.get()
    assert (late.email, late.email_sha256 is None) == ("", False)


def test_people_are_found_by_their_whole_address(acme, bob, signed_in):
    acme.hash_only = True
    acme.save()
    fields = {"email": "Anna@Example.org", "phone": "+4915112345601"}
    upsert(
        acme,
        [Change(external_id="anna", fields=fields), Change(external_id="x")],
        now=timezone.now(),
    )
    for text in ("anna@example.org", "0151 12345601"):
        page = signed_in(bob).post("/g/acme/people/profiles/", {"q": text}, follow=True)
        assert [person.external_id for person in page.context["people"]] == ["anna"]
        row = page.context["people"][0]
    assert (row.email, row.phone) == ("known only as a hash", "known only as a hash")
    page = signed_in(bob).get(f"/g/acme/people/profiles/{row.profile.pk}/")
    assert page.content.decode().count("known only as a hash") == 2


@pytest.mark.parametrize(
    ("typed", "status", "n"), [("Anna@example.org", 200, 1), ("@example.org", 422, None)]
)
def test_a_segment_requires_a_whole_address(acme, bob, signed_in, typed, status, n):
    acme.hash_only = True
    acme.save()
    changes = [
        Change(external_id=name, fields={"email": f"{name}@example.org"})
        for name in ("anna", "bert")
    ]
    upsert(acme, changes, now=timezone.now())
    data = segment_data(("email", "contains", typed))
    page = signed_in(bob).post("/g/acme/people/segments/new/", data)
    assert page.status_code == status
    counts = page.context.get("coverage")
    assert (counts and counts.total) == n
    assert ("stores hashes only" in page.content.decode()) == (status == 422)
