"""The export of a profile covers every table that refers to it, merged profiles included."""

import pytest
from django.apps import apps
from django.urls import reverse
from django.utils import timezone

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
from audiencesync.people.segments import filters, live
from audiencesync.people.writing.identify import Identity, identify
from canvases import engine
from canvases.privacy import export
from tests.support import profiles

pytestmark = pytest.mark.thorough

OURS = ("groups", "people", "partners", "canvases")
EXPORTED = {  # table -> section of the export
    "people.Profile": "known_before_as",
    "people.PastIdentifier": "past_identifiers",
    "people.UserAlias": "aliases",
    "people.Event": "events",
    "people.ImportMember": "imports",
    "people.Withdrawal": "withdrawals",
    "people.Erasure": "erasures",
    "people.SegmentMember": "segments",
    "canvases.Visit": "visits",
    "partners.Delivery": "deliveries",
    "groups.Activity": "activity",
}
NOT_EXPORTED = {  # rows that are short-lived or cannot be found by person
    "people.UploadPart",
    "people.RejectPart",
    "groups.KeptAnswer",
    "people.ErasedName",  # salted
    "people.Signal",  # queues: deleted within minutes
    "people.ChangedProfile",
    "people.Misreading",  # a wrong hash; deleted with the profile, and within minutes
}
SHORT_LIVED = {"people.Misreading", "people.Signal", "people.ChangedProfile"}
WITHOUT_PROFILES = {
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
            "AudienceSize",
            "MemberCount",
            "CheckAnswer",
            "SpentToken",
            "OAuthState",
            "Sync",
            "Batch",
            "Incident",
            "Notice",
            "NoticeChoice",
            "Webhook",
            "WebhookCall",
            "Thresholds",
        )
    ),
    *(
        f"partners.{name}"
        for name in (
            "Push",
            "PushShare",
            "Tally",
            "TallyHour",
            "TallyDay",
            "Budget",
            "Count",
            "Lane",
        )
    ),
    *(f"canvases.{name}" for name in ("Canvas", "CanvasHour", "Step", "StepHour", "StepTally")),
    *(f"canvases.{name}" for name in ("BranchTally", "ExitSegment", "ExitTally", "StepSegment")),
    *("groups.BeatSlot", "people.Import", "people.Segment", "people.Subscription"),
}


@pytest.fixture
def anonymous(acme, bob_editor, winback, alice, canvas, signed_in):
    """An anonymous profile with a row in every table."""
    row = Profile(app_group=acme, email="v@example.org")
    profiles.set_hashes(row, region="DE")
    row.save()
    UserAlias.objects.create(app_group=acme, profile=row, label="web", name="cookie")
    Event.objects.create(app_group=acme, profile=row, name="cart", at=timezone.now())
    PastIdentifier.objects.create(profile=row, kind="email", sha256=b"x" * 32)
    fair = Import.objects.create(app_group=acme, file_name="fair.csv", size=1)
    ImportMember.objects.create(run=fair, profile=row, is_created=True)
    Withdrawal.objects.create(app_group=acme, profile=row, at=timezone.now())
    Erasure.objects.create(
        app_group=acme, profile=row, asked_by="x", requested_at=timezone.now(), state="done"
    )
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), winback)
    segment = Segment.objects.create(app_group=acme, name="All", filter={})
    live_one = live.subscribe(
        acme, listener=987654, role="entry", segment=segment, now=timezone.now()
    )
    live.fill(live_one, low=0, high=row.pk, now=timezone.now())
    engine.launch(canvas, by=alice, now=timezone.now())
    engine.admit(canvas.pk, now=timezone.now())
    signed_in(alice).get(reverse("profile", args=["acme", row.pk]))
    return row


@pytest.fixture
def ann(acme, anonymous):
    """The otherwise empty profile that the anonymous one is merged into."""
    row = Profile.objects.create(app_group=acme, external_id="ann")
    assert identify(acme, [Identity(("alias", ("web", "cookie")), "ann")], now=timezone.now()) == [
        None
    ]
    return row


@pytest.mark.parametrize("section", EXPORTED.values())
def test_the_export_has_every_section(ann, section):
    assert export.everything(Profile.objects.get(pk=ann.pk))[section]


def test_the_export_says_that_an_import_created_the_profile(ann):
    [line] = export.everything(Profile.objects.get(pk=ann.pk))["imports"]
    assert (line["file"], line["created_profile"]) == ("fair.csv", True)


@pytest.mark.parametrize("is_created", [False, None])
def test_the_export_says_so_where_that_is_not_known(ann, is_created):
    ImportMember.objects.update(is_created=is_created)  # None: an earlier version wrote it
    [line] = export.everything(Profile.objects.get(pk=ann.pk))["imports"]
    assert line["created_profile"] is is_created


def test_every_table_is_classified():
    tables = {model._meta.label for model in apps.get_models() if model._meta.app_label in OURS}
    assert tables == EXPORTED.keys() | NOT_EXPORTED | WITHOUT_PROFILES, (
        "if the new table refers to profiles, export and erase it"
    )
    pointing = {relation.related_model._meta.label for relation in Profile._meta.related_objects}
    assert pointing - SHORT_LIVED <= EXPORTED.keys()


def test_a_merged_profile_stays_in_the_segment_of_its_import(ann, acme):
    number = str(Import.objects.get().pk)
    chosen = {"all": [{"field": "import", "op": "is", "value": number}]}
    segment = Segment.objects.create(app_group=acme, name="Fair", filter=chosen)
    assert list(filters.members(segment)) == [ann]


def test_an_import_of_both_profiles_is_exported_once(acme, anonymous):
    row = Profile.objects.create(app_group=acme, external_id="ann")
    ImportMember.objects.create(run=Import.objects.get(), profile=row)
    identify(acme, [Identity(("alias", ("web", "cookie")), "ann")], now=timezone.now())
    assert len(export.everything(Profile.objects.get(pk=row.pk))["imports"]) == 1
