"""The export of one person tells of every table that knows them, whoever they were before."""

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.identifiers import normalise
from audiencesync.people.models import (
    Erasure,
    Event,
    PastIdentifier,
    Profile,
    Segment,
    UserAlias,
    Withdrawal,
)
from audiencesync.people.models.imports import Import, ImportMember
from audiencesync.people.segments import filters
from audiencesync.people.writing.identify import Identity, identify
from canvases import engine
from canvases.privacy import export

OURS = ("groups", "people", "partners", "canvases")
TOLD = {  # table -> where the export tells of it
    "people.Profile": "known_before_as",
    "people.PastIdentifier": "past_identifiers",
    "people.UserAlias": "aliases",
    "people.Event": "events",
    "people.ImportMember": "imports",
    "people.Withdrawal": "withdrawals",
    "people.Erasure": "erasures",
    "canvases.Visit": "visits",
    "partners.Delivery": "deliveries",
    "groups.Activity": "activity",
}
NOT_TOLD = {  # parts of files and answers, for some days, that nobody can look for a person in
    "people.UploadPart",
    "people.RejectPart",
    "groups.KeptAnswer",
    "people.ErasedName",  # salted
    "people.Misreading",  # a hash that is not theirs; goes with them, and within minutes
}
KNOWS_NOBODY = {
    *(
        f"groups.{name}"
        for name in (
            "User",
            "AppGroup",
            "Membership",
            "Invitation",
            "ApiKey",
            "RateWindow",
            "PurgeCursor",
            "OutgoingMail",
            "SetupLink",
        )
    ),
    *(
        f"partners.{name}"
        for name in (
            "Connection",
            "AdAccount",
            "Audience",
            "SpentToken",
            "OAuthState",
            "Sync",
            "Batch",
        )
    ),
    *(f"partners.{name}" for name in ("Push", "Tally", "TallyHour", "Budget", "Count", "Lane")),
    *(f"canvases.{name}" for name in ("Canvas", "CanvasHour", "Step", "StepTally")),
    *("groups.BeatSlot", "people.Import", "people.Segment"),
}


@pytest.fixture
def visitor(acme, bobs, winback, alice, canvas, signed_in):
    """Somebody known by e-mail only, with a row in every table."""
    row = Profile(app_group=acme, email="v@example.org")
    normalise.apply(row, region="DE")
    row.save()
    UserAlias.objects.create(app_group=acme, profile=row, label="web", name="cookie")
    Event.objects.create(app_group=acme, profile=row, name="cart", at=timezone.now())
    PastIdentifier.objects.create(profile=row, kind="email", sha256=b"x" * 32)
    ImportMember.objects.create(
        run=Import.objects.create(app_group=acme, file_name="fair.csv", size=1), profile=row
    )
    Withdrawal.objects.create(app_group=acme, profile=row, at=timezone.now())
    Erasure.objects.create(
        app_group=acme, profile=row, asked_by="x", requested_at=timezone.now(), state="done"
    )
    bobs.set_up(bobs.add("audience_sync"), winback)
    engine.launch(canvas, by=alice, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())
    signed_in(alice).get(reverse("profile", args=["acme", row.pk]))
    return row


@pytest.fixture
def ann(acme, visitor):
    """Whom the visitor has turned out to be; nothing else is known of her."""
    row = Profile.objects.create(app_group=acme, external_id="ann")
    assert identify(acme, [Identity(("alias", ("web", "cookie")), "ann")], now=timezone.now()) == [
        None
    ]
    return row


@pytest.mark.parametrize("section", TOLD.values())
def test_the_export_tells_of_every_table(ann, section):
    assert export.everything(Profile.objects.get(pk=ann.pk))[section]


def test_no_table_is_forgotten():
    tables = {model._meta.label for model in apps.get_models() if model._meta.app_label in OURS}
    assert tables == TOLD.keys() | NOT_TOLD | KNOWS_NOBODY, (
        "does the new table know people? Then export and erase it"
    )
    pointing = {relation.related_model._meta.label for relation in Profile._meta.related_objects}
    assert pointing - {"people.Misreading"} <= TOLD.keys()


def test_who_was_imported_as_a_visitor_stays_in_the_segment_of_the_imported(ann, acme):
    number = str(Import.objects.get().pk)
    chosen = {"all": [{"field": "import", "op": "is", "value": number}]}
    segment = Segment.objects.create(app_group=acme, name="Fair", filter=chosen)
    assert list(filters.members(segment)) == [ann]


def test_who_was_imported_as_both_is_told_once(acme, visitor):
    row = Profile.objects.create(app_group=acme, external_id="ann")
    ImportMember.objects.create(run=Import.objects.get(), profile=row)
    identify(acme, [Identity(("alias", ("web", "cookie")), "ann")], now=timezone.now())
    assert len(export.everything(Profile.objects.get(pk=row.pk))["imports"]) == 1
