"""A small world for tests of canvases: steps are created as rows, and nothing is sent to TikTok."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import live
from audiencesync.people.writing import live_marks
from canvases import engine
from canvases.models import Canvas, Step, StepTally, Visit
from partners.models import Audience
from tests.support import builder


class CanvasWorld:
    """A group with people and an audience; creates canvases, lets the engine run, reads counts."""

    def __init__(self, app_group, user):
        self.app_group, self.user = app_group, user
        self.segment = Segment.objects.create(app_group=app_group, name="everybody", filter={})
        account = builder.add_account(builder.connect(app_group))
        self.audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")

    def create_people(self, n):
        start = Profile.objects.count()
        return Profile.objects.bulk_create(
            Profile(
                app_group=self.app_group, external_id=f"p{start + i}", email_sha256=b"%032d" % i
            )
            for i in range(n)
        )

    def create_canvas(self, *kinds):
        """Create steps from (kind, settings), one after the other; return the canvas and them."""
        canvas = Canvas.objects.create(
            app_group=self.app_group, name="Journey", segment=self.segment
        )
        steps, parent = [], None
        for kind, settings in kinds:
            parent = Step.objects.create(canvas=canvas, kind=kind, settings=settings, parent=parent)
            steps.append(parent)
        return canvas, steps

    def create_flow(self, *rows):
        """Create steps from (name, kind, settings, name of the parent, branch).

        Return the canvas and name -> step.
        """
        canvas, _none = self.create_canvas()
        steps = {None: None}
        for name, kind, settings, parent, branch in rows:
            place = {"parent": steps[parent], "branch": branch}
            steps[name] = Step.objects.create(canvas=canvas, kind=kind, settings=settings, **place)
        return canvas, steps

    def add_sync(self, step, action="add"):
        """Give a step a Sync of the audience; return the Sync."""
        step.sync = builder.make_sync(self.audience, action, is_live=False)
        step.save()
        step.syncs.add(step.sync)
        return step.sync

    def launch(self, canvas):
        return engine.launch(canvas, by=self.user, now=timezone.now())

    def run(self, now=None):
        """Run the engine until no visit is due."""
        now = now or timezone.now()
        while engine.move_all(now=now):
            pass

    def step_counts(self, step):
        """Return how many people have entered, proceeded, exited and wait at a step."""
        tally = StepTally.objects.get(step=step)
        return tally.entered, tally.proceeded, tally.exited, tally.waiting


@pytest.fixture
def canvas_world(acme, alice):
    return CanvasWorld(acme, alice)


def change_people(canvas_world, *names, **fields):
    """Change people and note them for live segments, which compare them in `catch_up`."""
    people = Profile.objects.filter(external_id__in=names)
    people.update(**fields)
    live_marks.note(canvas_world.app_group.pk, people.values_list("pk", flat=True))


def catch_up(canvas_world):
    """Bring live segments up to date, then run the engine."""
    while live.work(now=timezone.now(), seconds=9):
        pass
    canvas_world.run()


def ids_inside(canvas):
    """Return the external ids of the people in a canvas."""
    open_visits = Visit.objects.filter(canvas=canvas, left_at=None)
    return set(open_visits.values_list("profile__external_id", flat=True))
