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
    """A step that sends; alice is an admin, and staff."""
    alice.is_staff = True
    alice.save()
    step = Step.objects.create(canvas=canvas, kind="audience_sync")
    step.syncs.add(builder.make_sync(winback))
    return step


def visits(step):
    """One person passed the step and is done; another one is errored."""
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


def over(step):
    """An incident is over, and alice was notified of it."""
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


def an_import(step):
    Import.objects.create(app_group=step.canvas.app_group, file_name="a.csv", size=1)


def an_erasure(step):
    group = step.canvas.app_group
    person = Profile.objects.create(app_group=group, external_id=uuid.uuid4().hex)
    Erasure.objects.create(
        app_group=group, profile=person, asked_by="Alice", requested_at=timezone.now()
    )


def a_group(step):
    name = uuid.uuid4().hex[:10]
    group = AppGroup.objects.create(name=name, slug=name)
    member = Membership.objects.filter(app_group=step.canvas.app_group).first()
    Membership.objects.create(app_group=group, user=member.user, role="admin")


def a_use(step):
    visits(step)
    other = Step.objects.create(canvas=step.canvas, kind="audience_sync", removed_at=timezone.now())
    other.syncs.add(step.syncs.get())


@pytest.mark.parametrize(
    ("page", "add", "query"),
    [
        ("canvas_people", visits, {"number": "entered"}),
        ("canvas_people", visits, {"number": "through"}),
        ("step_people", visits, {"number": "errored"}),
        ("step_people", visits, {"number": "exited"}),
        ("step_people", visits, {"number": "entered"}),
        ("audience", a_use, {}),
        ("health", over, {}),
        ("imports", an_import, {}),
        ("erasures", an_erasure, {}),
        ("staff_groups", a_group, {}),
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
