"""Pages with lists need no more queries for more rows; other views have their own tests."""

import uuid

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership
from audiencesync.people.models import Erasure, Profile
from audiencesync.people.models.imports import Import
from canvases.models import Step, Visit
from partners.models import Delivery, Incident
from partners.models.incidents import Notice
from partners.queue import tally
from tests.support import builder

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def world(acme, alice, canvas, winback):
    """An Audience Sync step; alice is an admin and staff."""
    alice.is_staff = True
    alice.save()
    step = Step.objects.create(canvas=canvas, kind="audience_sync")
    step.syncs.add(builder.make_sync(winback))
    return step


def add_visit(step):
    """Add a person who has left the canvas after the step and whose delivery is errored."""
    now, group, to_sync = timezone.now(), step.canvas.app_group, step.syncs.get()
    person = Profile.objects.create(app_group=group, external_id=uuid.uuid4().hex)
    visit = Visit.objects.create(
        canvas=step.canvas, profile=person, entered_at=now, left_at=now, trail=f"/{step.pk}!0;"
    )
    Delivery.objects.create(
        sync=to_sync, profile=person, entry_key=visit.pk, outcome="errored", reason="40002"
    )
    with tally.atomic(now=now) as moves:
        moves.add(to_sync.pk, entered=1, errored=1)


def add_ended_incident(step):
    """Add an incident that has ended, and a notice of its end."""
    now, audience = timezone.now(), step.syncs.get().audience
    incident = Incident.objects.create(
        app_group=step.canvas.app_group,
        audience=audience,
        code="audience_gone",
        begun_at=now,
        ended_at=now,
    )
    user = Membership.objects.filter(app_group=step.canvas.app_group).first().user
    Notice.objects.create(incident=incident, user=user, kind="over", created_at=now, sent_at=now)


def add_import(step):
    Import.objects.create(app_group=step.canvas.app_group, file_name="a.csv", size=1)


def add_erasure(step):
    group = step.canvas.app_group
    person = Profile.objects.create(app_group=group, external_id=uuid.uuid4().hex)
    Erasure.objects.create(
        app_group=group, profile=person, asked_by="Alice", requested_at=timezone.now()
    )


def add_group(step):
    name = uuid.uuid4().hex[:10]
    group = AppGroup.objects.create(name=name, slug=name)
    member = Membership.objects.filter(app_group=step.canvas.app_group).first()
    Membership.objects.create(app_group=group, user=member.user, role="admin")


def add_former_step(step):
    add_visit(step)
    other = Step.objects.create(canvas=step.canvas, kind="audience_sync", removed_at=timezone.now())
    other.syncs.add(step.syncs.get())


@pytest.mark.parametrize(
    ("page", "add", "query"),
    [
        ("canvas_people", add_visit, {"number": "entered"}),
        ("canvas_people", add_visit, {"number": "through"}),
        ("step_people", add_visit, {"number": "errored"}),
        ("step_people", add_visit, {"number": "exited"}),
        ("step_people", add_visit, {"number": "entered"}),
        ("audience", add_former_step, {}),
        ("health", add_ended_incident, {}),
        ("imports", add_import, {}),
        ("erasures", add_erasure, {}),
        ("staff_groups", add_group, {}),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_list_needs_no_more_queries_for_more_rows(world, signed_in, alice, page, add, query):
    client, group = signed_in(alice), world.canvas.app_group.slug
    places = {
        "canvas_people": [group, world.canvas_id],
        "step_people": [group, world.canvas_id, world.pk],
        "audience": [group, world.syncs.get().audience_id],
        "staff_groups": [],
    }
    url = reverse(page, args=places.get(page, [group]))

    def look():
        with CaptureQueriesContext(connection) as found:
            answer = client.get(url, query)
        assert answer.status_code == 200
        return len(found), len(answer.content)

    for _row in range(2):
        add(world)
    look()
    few, short = look()
    for _row in range(4):
        add(world)
    many, long = look()

    assert long > short
    assert many == few
