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


class Journeys:
    """Makes canvases of steps, lets the engine run, and reads the tallies."""

    def __init__(self, app_group, user):
        self.app_group, self.user = app_group, user
        self.segment = Segment.objects.create(app_group=app_group, name="everybody", filter={})
        account = builder.add_account(builder.connect(app_group))
        self.audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")

    def people(self, n):
        start = Profile.objects.count()
        return Profile.objects.bulk_create(
            Profile(
                app_group=self.app_group, external_id=f"p{start + i}", email_sha256=b"%032d" % i
            )
            for i in range(n)
        )

    def canvas(self, *kinds):
        canvas = Canvas.objects.create(
            app_group=self.app_group, name="Journey", segment=self.segment
        )
        steps, parent = [], None
        for kind, settings in kinds:
            parent = Step.objects.create(canvas=canvas, kind=kind, settings=settings, parent=parent)
            steps.append(parent)
        return canvas, steps

    def flow(self, *rows):
        """(name, kind, settings, name of the parent, branch) of each step -> canvas, steps."""
        canvas, _none = self.canvas()
        steps = {None: None}
        for name, kind, settings, parent, branch in rows:
            place = {"parent": steps[parent], "branch": branch}
            steps[name] = Step.objects.create(canvas=canvas, kind=kind, settings=settings, **place)
        return canvas, steps

    def asks(self, step, action="add"):
        step.sync = builder.make_sync(self.audience, action, is_live=False)
        step.save()
        step.syncs.add(step.sync)
        return step.sync

    def launch(self, canvas):
        return engine.launch(canvas, by=self.user, now=timezone.now())

    def run(self, now=None):
        now = now or timezone.now()
        while engine.move_all(now=now):
            pass

    def numbers(self, step):
        tally = StepTally.objects.get(step=step)
        return tally.entered, tally.proceeded, tally.exited, tally.waiting


@pytest.fixture
def journeys(acme, alice):
    return Journeys(acme, alice)


def change(journeys, *names, **fields):
    """Change people and mark them as changed; live segments have not compared them yet."""
    people = Profile.objects.filter(external_id__in=names)
    people.update(**fields)
    live_marks.note(journeys.app_group.pk, people.values_list("pk", flat=True))


def follow(journeys):
    """Bring live segments up to date, then run the engine."""
    while live.work(now=timezone.now(), seconds=9):
        pass
    journeys.run()


def inside(canvas):
    """Return the external ids of the people in a canvas."""
    open_visits = Visit.objects.filter(canvas=canvas, left_at=None)
    return set(open_visits.values_list("profile__external_id", flat=True))
