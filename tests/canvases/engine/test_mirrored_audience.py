"""L8: a mirrored audience has exactly the people of its segment who may be sent."""

import hashlib
import random

import pytest
from django.utils import timezone

from audiencesync.people.api.identify import IDENTIFY
from audiencesync.people.models import PastIdentifier, Profile, Segment, UserAlias
from audiencesync.people.models.live import SegmentMember
from audiencesync.people.segments import live
from audiencesync.people.writing import live_marks
from canvases import engine, laws
from canvases.editing import edit
from canvases.models import Canvas, Step
from canvases.privacy import erase
from canvases.privacy.identify import identify
from partners.models import Delivery

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_morning")]

GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}
FRENCH = {"all": [{"field": "language", "op": "is", "value": "fr"}]}


def sha256(text):
    return hashlib.sha256(text.encode()).digest()


class Mirror:
    """Canvases that keep one audience at the sandbox up to date."""

    def __init__(self, world, alice):
        self.world, self.alice = world, alice
        self.audience = world.create_audience("mirror")

    def create_canvas(self, name, conditions):
        group = self.world.app_group
        segment = Segment.objects.create(app_group=group, name=name, filter=conditions)
        canvas = Canvas.objects.create(
            app_group=group, name=name, segment=segment, entry_by="segment", reentry="left"
        )
        row = self.world.create_sync(self.audience)
        step = Step.objects.create(
            canvas=canvas, kind="audience_sync", sync=row, settings={"removes": True}
        )
        step.syncs.add(row)
        engine.launch(canvas, by=self.alice, now=timezone.now())
        return canvas

    def change(self, people, **fields):
        Profile.objects.filter(pk__in=[person.pk for person in people]).update(**fields)
        live_marks.note(self.world.app_group.pk, [person.pk for person in people])

    def change_email(self, person, text):
        old = Profile.objects.get(pk=person.pk).email_sha256
        PastIdentifier.objects.create(profile=person, kind="email", sha256=old)
        self.change([person], email_sha256=sha256(text))

    def settle(self):
        """Let segments, journeys and the queue run until nothing is left to do."""
        moved = True
        while moved:
            now = timezone.now()
            moved = live.work(now=now, seconds=9)
            moved |= bool(engine.move_all(now=now))
            self.world.drain()
            moved |= bool(engine.move_all(now=timezone.now()))

    def members_at_sandbox(self):
        server = self.world.sandbox
        return {digest for _kind, digest in server.audiences.member_ids(self.audience.remote_id)}

    def expected(self, **fields):
        """Return the hashes, in hexadecimal, of the sendable people with these fields."""
        people = Profile.objects.filter(**fields, email_sha256__isnull=False)
        digests = people.exclude(ads_consent=False).values_list("email_sha256", flat=True)
        return {bytes(digest).hex() for digest in digests}


@pytest.fixture
def mirror(world, alice):
    return Mirror(world, alice)


def test_people_who_leave_the_segment_are_removed(mirror):
    people = mirror.world.create_people(4, country="DE")
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 4
    mirror.change(people[:1], country="FR")
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    mirror.change(people[:1], country="DE")
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 4
    assert laws.broken(now=timezone.now()) == []


def test_a_person_whom_another_canvas_wants_stays(mirror):
    people = mirror.world.create_people(3, country="DE", language="fr")
    mirror.create_canvas("Germans", GERMAN)
    mirror.create_canvas("French", FRENCH)
    mirror.settle()
    mirror.change(people[:1], country="AT")
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 3
    mirror.change(people[:1], language="de")
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 2


def test_people_who_leave_two_segments_at_once_are_removed(mirror):
    people = mirror.world.create_people(3, country="DE", language="fr")
    mirror.create_canvas("Germans", GERMAN)
    mirror.create_canvas("French", FRENCH)
    mirror.settle()
    mirror.change(people[:2], country="AT", language="de")
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")


@pytest.mark.parametrize("n_canvases", [1, 2])
def test_a_changed_address_replaces_the_former_one(mirror, n_canvases):
    people = mirror.world.create_people(3, country="DE", language="fr")
    for name, conditions in [("Germans", GERMAN), ("French", FRENCH)][:n_canvases]:
        mirror.create_canvas(name, conditions)
    mirror.settle()
    mirror.change_email(people[0], "new")
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    assert laws.broken(now=timezone.now()) == []


def test_a_member_who_becomes_sendable_is_added(mirror):
    [person] = mirror.world.create_people(1, country="DE", email_sha256=None)
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    assert mirror.members_at_sandbox() == set()
    mirror.change([person], email_sha256=sha256("late"))
    mirror.settle()
    assert mirror.members_at_sandbox() == {sha256("late").hex()}


@pytest.mark.parametrize("seed", range(4))
def test_random_changes_leave_the_audience_equal_to_the_segments(mirror, seed):
    chance = random.Random(seed)
    people = mirror.world.create_people(12, country="DE")
    mirror.create_canvas("Germans", GERMAN)
    mirror.create_canvas("French", FRENCH)
    for n in range(24):
        person = chance.choice(people)
        act = chance.choice(["country", "language", "email", "settle", "work"])
        if act == "email":
            mirror.change_email(person, f"{seed} {n}")
        elif act == "settle":
            mirror.settle()
        elif act == "work":
            live.work(now=timezone.now(), seconds=9)
            engine.move_all(now=timezone.now())
        else:
            value = {"country": ["DE", "FR"], "language": ["fr", "de"]}[act]
            mirror.change([person], **{act: chance.choice(value)})
    mirror.settle()
    germans, french = mirror.expected(country="DE"), mirror.expected(language="fr")
    assert mirror.members_at_sandbox() == germans | french
    assert laws.broken(now=timezone.now()) == []


def test_an_archived_canvas_wants_people_no_longer(mirror, alice):
    people = mirror.world.create_people(2, country="DE", language="fr")
    mirror.create_canvas("Germans", GERMAN)
    french = mirror.create_canvas("French", FRENCH)
    mirror.settle()
    engine.stop(french, by=alice, now=timezone.now())
    edit.archive(french, by=alice, now=timezone.now())
    mirror.change(people[:1], country="AT")
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")


def test_a_withdrawn_consent_removes_and_a_new_one_adds_again(mirror):
    people = mirror.world.create_people(2, country="DE")
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    mirror.change(people[:1], ads_consent=False)
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    mirror.change(people[:1], ads_consent=True)
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 2


@pytest.mark.parametrize("countries", [("DE", "DE"), ("DE", "FR"), ("FR", "DE")])
def test_a_merge_leaves_the_audience_right(mirror, countries):
    anonymous, person = (mirror.world.create_people(1, country=country)[0] for country in countries)
    UserAlias.objects.create(
        app_group=mirror.world.app_group, profile=anonymous, label="web", name="cookie"
    )
    Profile.objects.filter(pk=anonymous.pk).update(external_id=None)
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    alias = {"alias_label": "web", "alias_name": "cookie"}
    named = [{"external_id": person.external_id, "user_alias": alias}]
    arrays = {array: [] for array in IDENTIFY} | {"aliases_to_identify": named}
    identify(mirror.world.app_group, arrays, now=timezone.now())
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    assert laws.broken(now=timezone.now()) == []


def test_an_erased_person_leaves_the_audience(mirror):
    people = mirror.world.create_people(2, country="DE")
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    erase.erase(mirror.world.app_group, [people[0].pk], asked_by="Alice", now=timezone.now())
    erase.beat()
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    assert laws.broken(now=timezone.now()) == []


def test_check_counters_finds_people_outside_the_segment_and_members_not_added(mirror):
    people = mirror.world.create_people(3, country="DE")
    canvas = mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    SegmentMember.objects.filter(profile=people[0]).delete()
    [outside] = laws.broken(now=timezone.now())
    assert outside == f"L8 canvas {canvas.pk}: 1 adds stand of people outside its segment"
    Delivery.objects.filter(profile=people[1]).delete()
    assert any("1 members" in law for law in laws.broken(now=timezone.now()))


def test_people_who_left_earlier_are_removed_once_the_step_removes(mirror):
    people = mirror.world.create_people(3, country="DE")
    canvas = mirror.create_canvas("Germans", GERMAN)
    Step.objects.update(settings={})
    engine.update_subscriptions(canvas, now=timezone.now())
    mirror.settle()
    mirror.change(people[:1], country="FR")
    mirror.settle()
    assert len(mirror.members_at_sandbox()) == 3
    Step.objects.update(settings={"removes": True})
    canvas.refresh_from_db()
    engine.update_subscriptions(canvas, now=timezone.now())
    engine.remove_former_members(canvas, now=timezone.now())
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")


def test_a_canvas_out_of_the_archive_catches_up(mirror, alice):
    people = mirror.world.create_people(3, country="DE")
    canvas = mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    engine.stop(canvas, by=alice, now=timezone.now())
    edit.archive(canvas, by=alice, now=timezone.now())
    mirror.change(people[:1], country="FR")
    mirror.settle()
    edit.unarchive(canvas, by=alice, now=timezone.now())
    canvas.refresh_from_db()
    engine.launch(canvas, by=alice, now=timezone.now())
    mirror.settle()
    assert mirror.members_at_sandbox() == mirror.expected(country="DE")
    assert Canvas.objects.get(pk=canvas.pk).entered == 3
    assert laws.broken(now=timezone.now()) == []


def test_other_fields_replace_the_former_ones_and_count_each_entry_once(mirror, alice):
    for n, one in enumerate(mirror.world.create_people(3, country="DE")):
        Profile.objects.filter(pk=one.pk).update(phone_sha256=sha256(f"+4915{n}"))
    mirror.create_canvas("Germans", GERMAN)
    mirror.settle()
    step = Step.objects.get()
    settings = {"action": "add", "kinds": ["phone"], "removes": True}
    settings["audience"] = mirror.audience.pk
    edit.save_settings(step, settings, version=1, by=alice, now=timezone.now())
    mirror.settle()

    phones = Profile.objects.values_list("phone_sha256", flat=True)
    assert mirror.members_at_sandbox() == {bytes(phone).hex() for phone in phones}
    # Each person entered twice, was added twice and removed once.
    assert (Canvas.objects.get().entered, step.tally.entered) == (6, 6)
    assert Delivery.objects.filter(batch__action="remove", sync__undoes__isnull=False).count() == 3
    assert laws.broken(now=timezone.now()) == []
