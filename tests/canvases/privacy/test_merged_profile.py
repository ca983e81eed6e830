"""Deliveries and visits of an anonymous profile go to the profile that it is merged into."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.changes import Change
from audiencesync.people.models import Profile, Segment
from audiencesync.people.writing.upsert import upsert
from canvases import engine, laws
from canvases.engine import signals
from canvases.models import BranchTally, Canvas, CanvasHour, Step, StepTally, Visit
from canvases.privacy import identify as privacy_identify
from partners.models import Batch

pytestmark = pytest.mark.thorough

EMAIL = "v@example.org"


def _upsert(group, **name):
    (pk,) = upsert(group, [Change(**name)], now=timezone.now()).profile_ids
    return Profile.objects.get(pk=pk)


@pytest.fixture
def anonymous(acme):
    return _upsert(acme, email=EMAIL)


@pytest.fixture
def ann(acme):
    return _upsert(acme, external_id="ann")


def identify(group):
    pair = {"email": EMAIL, "external_id": "ann"}
    arrays = {
        "aliases_to_identify": [],
        "emails_to_identify": [pair],
        "phone_numbers_to_identify": [],
    }
    assert privacy_identify.identify(group, arrays, now=timezone.now()).processed == 1


def test_pending_deliveries_are_sent_for_the_merged_profile(world, acme, anonymous, ann):
    add = world.create_sync()
    world.enter(add, [anonymous])
    identify(acme)
    world.drain()
    assert world.counts(add) == {"entered": 1, "synced": 1}
    assert world.members(add.audience) == 1


def test_an_older_removal_does_not_overrule_an_add_of_the_merged_profile(
    world, acme, anonymous, ann, settings
):
    settings.SYNC = settings.SYNC | {"backoff_base": 60.0, "backoff_max": 1800.0}
    audience = world.create_audience()
    add, remove, again = (
        world.create_sync(audience),
        world.create_sync(audience, "remove"),
        world.create_sync(audience),
    )
    world.enter(add, [anonymous])
    world.drain()
    world.enter(remove, [anonymous])
    world.set_fault("code", code=50000, count=1)
    world.flush()
    identify(acme)
    world.enter(again, [ann])
    world.flush()
    Batch.objects.filter(state="pending").update(due_at=timezone.now())
    world.drain()
    assert world.members(audience) == 1
    assert world.counts(remove) == {"entered": 1, "cancelled": 1}
    assert laws.broken(now=timezone.now()) == []


@pytest.fixture
def canvas(acme, anonymous, bob):
    """A live canvas with the anonymous profile at its only step."""
    everybody = Segment.objects.create(app_group=acme, name="Everybody")
    row = Canvas.objects.create(app_group=acme, name="Cart", segment=everybody, created_by=bob)
    Step.objects.create(canvas=row, kind="delay", settings={"amount": 1, "unit": "days"})
    engine.launch(row, by=bob, now=timezone.now())
    assert engine.admit_some(row.pk, [anonymous.pk], now=timezone.now()) == 1
    return row


def test_a_visit_continues_with_the_merged_profile(world, acme, canvas, ann):
    identify(acme)
    assert Visit.objects.get(canvas=canvas).profile == ann


def test_of_two_visits_of_merged_profiles_one_continues(world, acme, canvas, anonymous, ann):
    assert engine.admit_some(canvas.pk, [ann.pk], now=timezone.now()) == 1
    identify(acme)

    left = Visit.objects.get(profile=anonymous)
    assert (left.step, left.left_by) == (None, "merged")
    tally = StepTally.objects.get()
    assert (tally.entered, tally.waiting, tally.withdrawn) == (2, 1, 1)
    engine.advance(canvas.steps.get().pk, now=timezone.now() + timedelta(days=2))
    assert laws.broken(now=timezone.now()) == []


@pytest.mark.parametrize(("reentry", "continues"), [("never", False), ("left", True)])
def test_a_visit_continues_if_the_person_may_enter_again(
    world, acme, canvas, anonymous, ann, reentry, continues
):
    """Both profiles had a visit; the visit of the known one has ended."""
    Visit.objects.all().delete()
    Canvas.objects.update(reentry=reentry, entered=0)
    CanvasHour.objects.all().delete()
    StepTally.objects.all().delete()
    now = timezone.now()
    assert engine.admit_some(canvas.pk, [ann.pk], now=now - timedelta(days=2)) == 1
    engine.advance(canvas.steps.get().pk, now=now)
    assert engine.admit_some(canvas.pk, [anonymous.pk], now=now) == 1
    identify(acme)

    assert Visit.objects.filter(profile=ann).count() == 1 + continues
    assert Visit.objects.filter(left_at=None).count() == continues
    assert laws.broken(now=now) == []


ORDER, LOOK = ({"kind": "event", "name": one, "where": []} for one in ("order", "look"))
WAIT = {
    "amount": 1,
    "unit": "days",
    "chooses": "ranked",
    "events": [{"number": 1, "label": "Order", **ORDER}, {"number": 2, "label": "Look", **LOOK}],
}


@pytest.fixture
def waiting(acme, bob, anonymous, ann):
    """waiting(*people): let people wait, in the branch "yes", until they order or look."""
    everybody = Segment.objects.create(app_group=acme, name="Everybody")
    row = Canvas.objects.create(
        app_group=acme, name="Wait", segment=everybody, created_by=bob, entry_by="call"
    )
    split = {"filter": {"field": "email", "op": "exists"}}
    first = Step.objects.create(canvas=row, kind="decision_split", settings=split)
    Step.objects.create(canvas=row, kind="wait_until", settings=WAIT, parent=first, branch=1)
    engine.launch(row, by=bob, now=timezone.now())

    def wait(*people):
        engine.admit_some(row.pk, [person.pk for person in people], now=timezone.now())
        engine.beat()

    return wait


def send_event(person, name):
    change = {"external_id": person.external_id} if person.external_id else {"email": person.email}
    at = timezone.now().isoformat()
    events = [change | {"name": name, "time": at}]
    body = {"attributes": [], "events": events, "purchases": []}
    track(person.app_group, body, now=timezone.now())


@pytest.mark.parametrize("both", [False, True], ids=["one waits", "both wait"])
@pytest.mark.parametrize("name", ["order", "look"])
@pytest.mark.parametrize("is_processed", [True, False])
def test_the_branch_that_an_event_chose_is_kept(
    world, acme, waiting, anonymous, ann, both, name, is_processed
):
    Profile.objects.filter(pk=ann.pk).update(email="a@example.org")
    waiting(anonymous, *[ann] * both)
    send_event(anonymous, name)
    if is_processed:
        signals.work(Canvas.objects.get().pk, now=timezone.now())
    identify(acme)
    engine.beat()

    assert laws.broken(now=timezone.now()) == []
    visit = Visit.objects.get(profile=ann)
    tallies = BranchTally.objects.filter(step__kind="wait_until").values_list("branch", "n")
    if name == "order":
        assert (visit.left_at is None, dict(tallies)) == (False, {1: 1})
    else:
        assert (visit.left_at, visit.branch) == (None, 2)
    assert Visit.objects.filter(left_at=None).count() == (name == "look")
