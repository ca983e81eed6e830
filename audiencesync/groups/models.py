"""Users, app groups, memberships and roles, invitations, API keys and the activity log."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.core.web import origin
from audiencesync.groups.logged_changes import ChangeText, LoggedChange, as_json, translate
from audiencesync.groups.mail_model import OutgoingMail  # noqa: F401 - a table of this app

INVITATION_LIFETIME = timedelta(days=7)
SETUP_LIFETIME = timedelta(days=1)
VIEW_LOG_INTERVAL = timedelta(hours=1)  # views of the same object are logged this often at most
# The second pass over the profiles begins so long after a change of privacy settings. No API call
# or chunk of an import that began with the old settings takes longer.
REWORK_AGAIN = timedelta(minutes=2)


class UserManager(BaseUserManager["User"]):
    """Creates users that are identified by their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Save a user whose address is stored in lower case and counts as confirmed."""
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            apps.get_model("account", "EmailAddress").objects.create(
                user=user, email=user.email, verified=True, primary=True
            )
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Save a superuser (``manage.py createsuperuser``)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        """Return the user with an address, whatever its case."""
        # ``iexact`` is not used: in PostgreSQL a dotless i or a long s would match another address.
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Staff can read the analytics of all groups."""

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    language = models.CharField(
        _("language"), max_length=10, blank=True, default="", db_default=""
    )  # "": the language of the group
    is_staff = models.BooleanField(_("staff of this installation"), default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)
    groups = None  # type: ignore[assignment]  # roles are in Membership, not in Django's groups
    user_permissions = None  # type: ignore[assignment]  # as above

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_ci")]

    def __str__(self) -> str:
        return self.name or self.email

    def language_in(self, app_group: AppGroup) -> str:
        """Return the language of mails about a group: the user's own, else the group's."""
        return self.language or app_group.language


class Role(models.TextChoices):
    """Roles, weakest first: each includes the rights of the ones before."""

    VIEWER = "viewer", _("Viewer")
    MARKETER = "marketer", _("Marketer")
    ADMIN = "admin", _("Admin")

    def includes(self, other: Role) -> bool:
        """Return whether this role has all rights of ``other``."""
        order = list(Role)
        return order.index(self) >= order.index(other)


def yes_words() -> list[str]:
    """Return the default values that count as consent; they are compared in lower case."""
    return ["true", "yes", "1", "ja", "wahr", "oui", "si", "sí", "vrai"]


def erasure_salt() -> bytes:
    """Return a new salt for one group."""
    return os.urandom(32)


class AppGroup(models.Model):
    """A tenant. Connections, profiles and canvases belong to exactly one."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(max_length=50, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(
        _("language"), max_length=10, default="en", db_default="en"
    )  # of mails
    phone_region = models.CharField(
        _("default country of phone numbers"), max_length=2, default="DE"
    )
    # Privacy settings, applied to stored profiles by people/writing/rework.py.
    hash_only = models.BooleanField(_("store hashes only"), default=False)
    consent_attribute = models.CharField(
        _("attribute that tells consent"), max_length=80, blank=True
    )
    consent_values: models.JSONField[list[str], list[str]] = models.JSONField(default=yes_words)
    consent_required = models.BooleanField(_("consent is required"), default=False)
    remove_on_withdrawal = models.BooleanField(_("remove who withdraws consent"), default=False)
    suppression_days = models.PositiveSmallIntegerField(
        _("days that erased people are held back"), default=90
    )
    # Profiles up to this id conform to the settings above; null: all profiles do.
    rework_cursor = models.BigIntegerField(null=True, blank=True)
    # The time of a second pass, for writes that were in progress when the settings changed.
    rework_again_at = models.DateTimeField(null=True, blank=True)
    # When this group began to normalise phones and e-mails by the current rule. Older entries of
    # the erasure ledger have hashes by the former rule. null: no former rule was used.
    reread_at = models.DateTimeField(null=True, blank=True)
    # Used by people/privacy/erasure_ledger.py.
    erasure_salt = models.BinaryField(max_length=32, default=erasure_salt)
    # Whether deadlines of deliveries are extended while a partner's daily limit is used up.
    quota_stops_clock = models.BooleanField(
        _("daily limits of partners stop the clock"), default=False
    )
    # Set when staff archive the group: it is hidden, nothing runs, and its keys are refused. A
    # group with ``deleting_at`` is deleted once its profiles are removed from every audience
    # (canvases/privacy/group_deletion.py).
    archived_at = models.DateTimeField(null=True, blank=True)
    deleting_at = models.DateTimeField(null=True, blank=True)
    members = models.ManyToManyField(User, through="Membership", related_name="app_groups")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(deleting_at=None) | models.Q(archived_at__isnull=False),
                name="app_group_deleting",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def rework(self, *, now: datetime) -> None:
        """Schedule two passes that apply changed settings to all profiles. Does not save."""
        # A write that began with the old settings may end after the first pass.
        self.rework_cursor, self.rework_again_at = 0, now + REWORK_AGAIN


class Membership(models.Model):
    """One user's role in one app group."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.VIEWER)
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.app_group}: {self.role}"

    def may(self, role: Role) -> bool:
        """Return whether this membership includes the rights of ``role``."""
        return Role(self.role).includes(role)


class Invitation(models.Model):
    """A mailed link that lets one address join one group. Only a hash of the token is stored."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.MARKETER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True, blank=True)
    # The inviter saw the link because no mail could be sent, so using it proves no address.
    link_shown = models.BooleanField(default=False, db_default=False)

    def __str__(self) -> str:
        return f"{self.app_group}: {self.role}"

    @classmethod
    def issue(
        cls, app_group: AppGroup, *, email: str, role: str, by: User
    ) -> tuple[Invitation, str]:
        """Save an invitation; return it with its token, which is shown or mailed once."""
        token = secrets.token_urlsafe(32)
        email = email.strip().lower()
        row = cls.objects.create(
            app_group=app_group, email=email, role=role, token_hash=cls.hash(token), invited_by=by
        )
        return row, token

    @staticmethod
    def hash(token: str) -> str:
        """Return the hash of a token, which is stored in its place."""
        return hashlib.sha256(token.encode()).hexdigest()


class SetupLink(models.Model):
    """A printed link that creates the first account (first_start/setup_link.py); only its hash."""

    token_hash = models.CharField(max_length=64, unique=True)
    # The process that printed it; the next link of the same process replaces this one.
    printed_by = models.CharField(max_length=200)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"by {self.printed_by}"

    def is_open(self, *, now: datetime) -> bool:
        """Return whether the link is not expired."""
        return now < self.created_at + SETUP_LIFETIME


class ApiKey(models.Model):
    """A key of the REST API. It is shown once; only its prefix and its SHA-256 are stored."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="api_keys")
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(max_length=12)
    sha256 = models.CharField(max_length=64, unique=True)
    scopes: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def is_open(self, *, now: datetime) -> bool:
        """Return whether the key is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class RateWindow(models.Model):
    """The number of calls of a group against one rate limit since ``starts_at`` (ms since 1970)."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    name = models.CharField(max_length=20)
    starts_at = models.BigIntegerField()
    n = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "name"], name="rate_window_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.n}"


class KeptAnswer(models.Model):
    """The response to a call with an Idempotency-Key, replayed if the same call is repeated."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    key_sha256 = models.CharField(max_length=64)
    call_sha256 = models.CharField(max_length=64)  # method, address and body
    status = models.PositiveSmallIntegerField(default=0)
    body = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "key_sha256"], name="kept_answer_once")
        ]
        indexes = [models.Index(fields=["at"], name="kept_answer_oldest")]

    def __str__(self) -> str:
        return f"answer {self.status}"


class Activity(models.Model):
    """A line of a group's activity log: actor, verb, object, time.

    It never holds personal data of profiles.
    """

    class Verb(models.TextChoices):
        CONNECTED = "connected", _("connected")
        DISCONNECTED = "disconnected", _("disconnected")
        CREATED = "created", _("created")
        CHANGED = "changed", _("changed")
        REMOVED = "removed", _("removed")
        LAUNCHED = "launched", _("launched")
        STOPPED = "stopped", _("stopped")
        RETRIED = "retried", _("retried")
        INVITED = "invited", _("invited")
        JOINED = "joined", _("joined")
        VIEWED = "viewed", _("viewed")
        EXPORTED = "exported", _("exported")
        ERASED = "erased", _("erased")
        REVOKED = "revoked", _("revoked")
        MOVED = "moved", _("moved waiting people")
        LET_TRAVEL = "let_travel", _("sent waiting people as before")
        DISCARDED = "discarded", _("discarded waiting people")

    class Kind(models.TextChoices):
        """Kinds of objects."""

        CANVAS = "canvas", _("Canvas")
        COMPONENT = "component", _("Component")
        AUDIENCE = "audience", _("Audience")
        SEGMENT = "segment", _("Segment")
        IMPORT = "import", _("Import")
        KEY = "key", _("API key")
        MEMBER = "member", _("Member")
        INVITATION = "invitation", _("Invitation")
        CONNECTION = "connection", _("Connection")
        GROUP = "group", _("App group")
        PERSON = "person", _("Person")
        PEOPLE = "people", _("People")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="activities")
    actor = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    verb = models.CharField(max_length=20, choices=Verb.choices)
    # One of Kind; empty in lines of older versions.
    kind = models.CharField(max_length=20, blank=True, default="")
    subject = models.CharField(max_length=200)
    # The IP address of the request; null: the engine, a command, or a line of an older version.
    address = models.GenericIPAddressField(null=True, blank=True)
    changes: models.JSONField[list[dict[str, Any]], list[dict[str, Any]]] = models.JSONField(
        default=list
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["app_group", "-at"], name="activity_newest")]

    def __str__(self) -> str:
        return f"{self.verb} {self.subject}"

    @property
    def kind_label(self) -> str:
        """The translated kind of the object; empty in lines of older versions."""
        return str(self.Kind(self.kind).label) if self.kind in self.Kind.values else ""

    @property
    def shown_changes(self) -> list[ChangeText]:
        """The changes in the language of the reader."""
        return translate(self.changes)

    @classmethod
    def log(
        cls,
        app_group: AppGroup,
        actor: User | None,
        verb: str,
        subject: str,
        *,
        kind: str,
        changes: Iterable[LoggedChange] = (),
    ) -> None:
        """Write a line in the caller's transaction.

        ``changes`` must hold no secret and no personal data.
        """
        cls.objects.create(
            app_group=app_group,
            actor=actor,
            verb=verb,
            kind=kind,
            subject=subject[:200],
            address=origin.address(),
            changes=as_json(changes),
        )

    @classmethod
    def log_view(
        cls, app_group: AppGroup, actor: User, subject: str, *, kind: str, now: datetime
    ) -> None:
        """Log a view of unmasked personal data, once per actor, subject and hour."""
        recent = cls.objects.filter(
            app_group=app_group, at__gt=now - VIEW_LOG_INTERVAL, actor=actor, subject=subject
        )
        if not recent.filter(verb=cls.Verb.VIEWED).exists():
            cls.log(app_group, actor, cls.Verb.VIEWED, subject, kind=kind)


class PurgeCursor(models.Model):
    """The position of the daily walk through a table that deletes old rows (retention.py)."""

    name = models.CharField(max_length=40, primary_key=True)
    after = models.BigIntegerField(default=0)  # the last id processed; 0: the walk is over
    begun_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "groups_lap"

    def __str__(self) -> str:
        return f"{self.name}: {self.after}"
