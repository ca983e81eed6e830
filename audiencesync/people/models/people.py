"""Profiles with their aliases, events and past hashes; erasures; segments."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar
from uuid import uuid4

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, User

KINDS = ("email", "phone", "idfa", "gaid")
LONGEST_EXTERNAL_ID = 987  # bytes


class KnownProfiles(models.Manager["Profile"]):
    """Leave out merged profiles and profiles that are being erased."""

    def get_queryset(self) -> models.QuerySet[Profile]:
        """Return the profiles that pages, segments and the API show."""
        return super().get_queryset().filter(merged_into=None, erased_at=None)


class Profile(models.Model):
    """One customer of the marketer. Written in bulk, see writing/columns.py."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="profiles")
    # null: known by alias, e-mail or phone
    external_id = models.CharField(max_length=LONGEST_EXTERNAL_ID, null=True)
    email = models.CharField(_("e-mail"), max_length=320, blank=True)
    phone = models.CharField(_("phone"), max_length=64, blank=True)
    idfa = models.CharField(_("iOS IDFA"), max_length=64, blank=True)
    gaid = models.CharField(_("Android GAID"), max_length=64, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True)
    language = models.CharField(_("language"), max_length=8, blank=True)
    # A JSON object. The database does not enforce this, so readers ignore any other value.
    attributes = models.JSONField(default=dict, blank=True)
    # null: unknown, treated as allowed
    ad_tracking_enabled = models.BooleanField(_("ad tracking enabled"), null=True)
    # False: never added to an audience, but removed from one if needed. null: unknown
    ads_consent = models.BooleanField(_("consent to advertising"), null=True)
    email_sha256 = models.BinaryField(max_length=32, null=True)
    phone_sha256 = models.BinaryField(max_length=32, null=True)
    idfa_sha256 = models.BinaryField(max_length=32, null=True)
    gaid_sha256 = models.BinaryField(max_length=32, null=True)
    # bit i set: KINDS[i] is present but unusable
    invalid_kinds = models.PositiveSmallIntegerField(default=0)
    # Alternative hashes, for partners with other rules of normalising: the e-mail without the dots
    # and +tag that Gmail ignores, the phone without its plus. Null also if the identifier arrived
    # hashed. No partner receives them yet, so PastIdentifier and Misreading hold no such hashes.
    email_gmail_sha256 = models.BinaryField(max_length=32, null=True)
    phone_digits_sha256 = models.BinaryField(max_length=32, null=True)
    # the normalise.RULE_VERSION that made the hashes
    rule_version = models.PositiveSmallIntegerField(default=8)
    # The profile that this one was merged into, and that has taken over its values. The row stays,
    # because visits and deliveries refer to it; erasing or exporting the target includes it.
    merged_into = models.ForeignKey(
        "self",
        models.CASCADE,
        null=True,
        related_name="merged",
        db_index=False,
        db_constraint=False,
    )
    # Being erased: only hashes are left, until they are removed from every audience
    # (canvases/privacy/erase.py).
    erased_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects: ClassVar[KnownProfiles] = KnownProfiles()
    everybody: ClassVar[models.Manager[Profile]] = models.Manager()

    class Meta:
        base_manager_name = "everybody"
        constraints = [
            models.UniqueConstraint(fields=["app_group", "external_id"], name="profile_external_id")
        ]
        indexes = [
            models.Index(
                fields=["merged_into"],
                condition=models.Q(merged_into__isnull=False),
                name="profile_merged",
            ),
            *(
                models.Index(
                    fields=["app_group", f"{kind}_sha256"],
                    condition=models.Q(**{f"{kind}_sha256__isnull": False}),
                    name=f"profile_by_{kind}",
                )
                for kind in ("email", "phone")
            ),
        ]

    def __str__(self) -> str:
        return f"profile {self.pk}"

    @property
    def braze_id(self) -> str:
        """Return the id that the REST API calls ``braze_id``: 24 hex digits."""
        return f"{self.pk:024x}"


class PastIdentifier(models.Model):
    """A former hash of a profile: a removal must send the hash that was once added."""

    profile = models.ForeignKey(Profile, models.CASCADE, related_name="past_identifiers")
    kind = models.CharField(max_length=5, choices=[(kind, kind) for kind in KINDS])
    sha256 = models.BinaryField(max_length=32)
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["profile", "kind", "sha256"], name="past_identifier_once"
            )
        ]

    def __str__(self) -> str:
        return f"past {self.kind} of profile {self.profile_id}"


class UserAlias(models.Model):
    """Another name of a profile, within a label such as ``crm``. Case matters."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="aliases")
    label = models.CharField(max_length=255)
    name = models.CharField(max_length=LONGEST_EXTERNAL_ID)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "label", "name"], name="user_alias_once")
        ]
        indexes = [models.Index(fields=["app_group", "name"], name="user_alias_by_name")]

    def __str__(self) -> str:
        return f"alias {self.pk} of profile {self.profile_id}"


class Event(models.Model):
    """An event or purchase of a profile. Written once, by api/track.py."""

    class Kind(models.TextChoices):
        """Kinds of events. The name of a purchase is its product; only a purchase has a price."""

        EVENT = "event", _("event")
        PURCHASE = "purchase", _("purchase")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="events", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.EVENT)
    name = models.CharField(max_length=255)
    at = models.DateTimeField()
    properties = models.JSONField(default=dict, blank=True)
    price = models.DecimalField(max_digits=18, decimal_places=4, null=True)
    currency = models.CharField(max_length=3, blank=True)
    quantity = models.PositiveSmallIntegerField(default=1)

    class Meta:
        indexes = [
            models.Index(fields=["profile", "-at"], name="event_of_profile"),
            models.Index(fields=["app_group", "name", "at"], name="event_by_name"),
            models.Index(fields=["profile", "name", "at"], name="event_by_person_and_name"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk} of profile {self.profile_id}"


def _key() -> str:
    return secrets.token_hex(16)


class Erasure(models.Model):
    """The erasure of one profile, and its receipt. Nothing in it identifies the person."""

    class State(models.TextChoices):
        """The state of an erasure."""

        REMOVING = "removing", _("Being removed from audiences")
        DONE = "done", _("Erased")

    # Values (or the beginning) of asked_by where no user asked; not translated.
    BY_KEY, BY_RESTORE, BY_DELETION = "API key ", "restore", "group deleted"

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="erasures")
    profile = models.ForeignKey(Profile, models.SET_NULL, null=True, related_name="erasures")
    key = models.CharField(max_length=32, unique=True, default=_key)
    state = models.CharField(max_length=8, choices=State.choices, default=State.REMOVING)
    asked_by = models.CharField(max_length=200)  # the name of a user, or see BY_KEY
    requested_at = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)  # when the removals were queued
    look_at = models.DateTimeField(db_default=Now())  # when the periodic job checks it next
    done_at = models.DateTimeField(null=True)
    # One dict per audience from which the person is removed.
    places: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(
        default=list
    )

    class Meta:
        ordering = ["-requested_at", "-pk"]
        indexes = [
            models.Index(
                fields=["look_at"], condition=models.Q(state="removing"), name="erasure_due"
            )
        ]

    def __str__(self) -> str:
        return f"erasure {self.key}"

    @property
    def asker(self) -> str:
        """Return the requester, in the current language."""
        if self.asked_by == self.BY_RESTORE:
            return gettext("after a restore")
        if self.asked_by == self.BY_DELETION:
            return gettext("the deletion of the app group")
        if self.asked_by.startswith(self.BY_KEY):
            return gettext("API key %(name)s") % {"name": self.asked_by.removeprefix(self.BY_KEY)}
        return self.asked_by


class ErasedName(models.Model):
    """A salted hash of an id or address of an erased person, to block imports and API calls."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=11)
    digest = models.BinaryField(max_length=32)
    erasure = models.ForeignKey(Erasure, models.SET_NULL, null=True, related_name="names")
    at = models.DateTimeField()
    is_filed = models.BooleanField(default=False)  # is written to the file of the ledger

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "kind", "digest"], name="erased_name_once")
        ]
        indexes = [
            models.Index(
                fields=["is_filed"], condition=models.Q(is_filed=False), name="erased_name_unfiled"
            )
        ]

    def __str__(self) -> str:
        return f"erased {self.kind}"


class Withdrawal(models.Model):
    """A withdrawal of consent, kept until the queue has cancelled adds and queued removals.

    Handled by partners/queue/removals/consent.py.
    """

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="withdrawals")
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"withdrawal {self.pk} of profile {self.profile_id}"


class Misreading(models.Model):
    """A hash that a former rule made wrongly, kept until its removal from audiences is queued.

    The removal is queued by partners/queue/removals/misreadings.py.
    """

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+")
    profile = models.ForeignKey(Profile, models.CASCADE, related_name="misreadings")
    kind = models.CharField(max_length=5, choices=[(kind, kind) for kind in KINDS])
    sha256 = models.BinaryField(max_length=32)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"misread {self.kind} of profile {self.profile_id}"


class Segment(models.Model):
    """A saved filter over profiles (people/segments/filters.py)."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="segments")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # how programs name it
    name = models.CharField(_("name"), max_length=80)
    description = models.CharField(_("description"), max_length=500, blank=True)
    filter: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(default=1)  # an edit sends the version it started from

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["app_group", "name"], name="segment_name")]

    def __str__(self) -> str:
        return self.name
