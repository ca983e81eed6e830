"""Functions on a site's database, which `Site.do` runs in a forked process. They return JSON."""

import hashlib

from django.db.models import Count, F, Max, Sum
from django.db.models.functions import Coalesce
from django.test import Client
from django.utils import timezone

from audiencesync.core import beat
from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people.models import ErasedName, Erasure, Profile, Segment
from canvases import engine, laws
from canvases.models import Canvas, Step, Visit
from canvases.privacy import erase as privacy
from partners.models import Audience, Batch, Delivery, Sync, Tally
from tests.support import builder


def sha256(number):
    """Return the hash of a numbered profile."""
    return hashlib.sha256(b"person %d" % number).digest()


def create_site(token, remote_id, n):
    """Create a group with n people, a connected audience and a canvas that adds all of them.

    Return its primary keys and a session of its admin.
    """
    group = AppGroup.objects.create(name="Acme", slug="acme")
    alice = User.objects.create_user("alice@example.org", "correct horse battery")
    Membership.objects.create(user=alice, app_group=group, role=Role.ADMIN)
    account = builder.add_account(builder.connect(group, token=token, by=alice))
    audience = Audience.objects.create(
        ad_account=account, remote_id=remote_id, name="winback", kind="Partner"
    )
    add_people(0, n)
    segment = Segment.objects.create(app_group=group, name="Everybody")
    canvas = Canvas.objects.create(app_group=group, name="Cart", segment=segment)
    sync = builder.make_sync(audience, label="Cart", is_live=False)
    values = {
        "ad_account": account.pk,
        "audience": audience.pk,
        "action": "add",
        "kinds": ["email"],
    }
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync, settings=values)
    step.syncs.add(sync)
    client = Client()
    client.force_login(alice)
    return {
        "session": client.cookies["sessionid"].value,
        "canvas": canvas.pk,
        "step": step.pk,
        "segment": segment.pk,
    }


def add_people(first, n):
    """Create n profiles numbered from ``first``."""
    group = AppGroup.objects.get()
    rows = (
        Profile(app_group=group, external_id=f"p{number}", email_sha256=sha256(number))
        for number in range(first, first + n)
    )
    Profile.objects.bulk_create(rows, batch_size=2000)


def launch():
    """Launch the canvas, or launch it again for new profiles."""
    canvas, alice, now = Canvas.objects.get(), User.objects.get(), timezone.now()
    engine.stop(canvas, by=alice, now=now)
    return engine.launch(canvas, by=alice, now=now)


def counts():
    """Return the counts over all Syncs, without zeros."""
    names = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")
    sums = Tally.objects.aggregate(**{name: Sum(name) for name in names})
    return {name: n for name, n in sums.items() if n}


def is_at_rest():
    """Return whether all people have entered and none is pending."""
    entering = (
        Canvas.objects.exclude(entry_until=None).exists()
        or Visit.objects.filter(left_at=None).exists()
    )
    return not entering and not Batch.objects.filter(state="pending", n__gt=0).exists()


def broken_laws_of_counting():
    """Return the broken laws except L6: during a fault there may be no worker to end a lease."""
    return [law for law in laws.broken(now=timezone.now()) if not law.startswith("L6")]


def broken_laws():
    """Return the broken laws, and the ids of batches that are still leased."""
    return [
        *laws.broken(now=timezone.now()),
        *Batch.objects.exclude(lease="").values_list("pk", flat=True),
    ]


def fingerprint(hashes):
    """Return a short text that is the same for equal sets of hashes only."""
    return f"{len(hashes)} {hashlib.sha256(' '.join(sorted(hashes)).encode()).hexdigest()}"


def expected_members():
    """Return audience -> `fingerprint` of its members after all synced adds and removals."""
    rows = Delivery.objects.annotate(state=Coalesce("outcome", "batch__state")).filter(
        state="synced"
    )
    rows = rows.order_by("batch__seq", "pk").values_list(
        F("sync__audience__remote_id"), F("sync__action"), F("profile__email_sha256")
    )
    members = {
        remote_id: set() for remote_id in Sync.objects.values_list("audience__remote_id", flat=True)
    }
    # An erased profile has no hash and is in no audience.
    for audience, action, digest in rows.exclude(profile__email_sha256=None):
        (members[audience].add if action == "add" else members[audience].discard)(
            bytes(digest).hex()
        )
    return {audience: fingerprint(hashes) for audience, hashes in members.items()}


def largest_chunk():
    """Return the most people that entered in one transaction."""
    return (
        Visit.objects.values("entered_at").annotate(n=Count("pk")).aggregate(most=Max("n"))["most"]
    )


def has_beaten():
    """Return whether an engine has run a heartbeat."""
    return beat.last_heartbeat() is not None


def knows(number):
    """Return whether this profile exists."""
    return Profile.objects.filter(external_id=f"p{number}").exists()


def erase(numbers):
    """Request the erasure of these profiles."""
    profiles = Profile.objects.filter(external_id__in=[f"p{number}" for number in numbers])
    privacy.erase(
        AppGroup.objects.get(),
        profiles.values_list("pk", flat=True),
        asked_by="Alice",
        now=timezone.now(),
    )


def has_erased():
    """Return whether all erasures are done and written to the ledger's file."""
    is_over = not Erasure.objects.filter(state=Erasure.State.REMOVING).exists()
    return is_over and not ErasedName.objects.filter(is_filed=False).exists()
