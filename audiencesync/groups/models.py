"""Users, app groups and what a person may do in them; API keys; the activity log; the slots of the beat."""

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

from audiencesync.groups.changes import Change, Shown, as_json, shown
from audiencesync.groups.letter_model import Letter  # noqa: F401 - a table of this app

INVITATION_LIFETIME = timedelta(days=7)
SETUP_LIFETIME = timedelta(days=1)
LOGGED_EVERY = timedelta(hours=1)  # who goes on looking at the same
REWORK_AGAIN = timedelta(minutes=2)  # longer than any call or chunk of an import takes


class UserManager(BaseUserManager["User"]):
    """Makes users whose name is their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Save a user with a hashed password; the address is stored in lower case, and counts as confirmed."""
        user = self.model(email=email.strip().lower(), **extra)
        user.set_password(password)
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
            apps.get_model("account", "EmailAddress").objects.create(
                user=user, email=user.email, verified=True, primary=True
            )
        return user

    def create_superuser(self, email: str, password: str | None = None, **extra: Any) -> User:
        """Save a member of staff who may do everything (``manage.py createsuperuser``)."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **extra)

    def get_by_natural_key(self, username: str | None) -> User:
        """Sign-in is blind to upper and lower case.

        Never ``iexact``: PostgreSQL takes a dotless i and a long s for the letters of another address.
        """
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Staff read the analytics of all groups."""

    email = models.EmailField(_("e-mail address"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    language = models.CharField(
        _("language"), max_length=10, blank=True, default="", db_default=""
    )  # "": the group's
    is_staff = models.BooleanField(_("staff of this installation"), default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)
    groups = None  # type: ignore[assignment]  # roles live in Membership; Django's own groups would be a second truth
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
        """The language of mails to this user about a group: the user's own, else the group's."""
        return self.language or app_group.language


class Role(models.TextChoices):
    """What a member may do, weakest first: each includes the ones before."""

    VIEWER = "viewer", _("Viewer")
    MARKETER = "marketer", _("Marketer")
    ADMIN = "admin", _("Admin")

    def includes(self, other: Role) -> bool:
        """Whether this role may do all that ``other`` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


def yes_words() -> list[str]:
    """What counts as consent unless somebody says otherwise; compared in lower case."""
    return ["true", "yes", "1", "ja", "wahr", "oui", "si", "sí", "vrai"]


def erasure_salt() -> bytes:
    """A salt of one group."""
    return os.urandom(32)


class AppGroup(models.Model):
    """A tenant. Connections, people and canvases belong to exactly one."""

    name = models.CharField(_("name"), max_length=80)
    slug = models.SlugField(max_length=50, unique=True)
    time_zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    language = models.CharField(
        _("language"), max_length=10, default="en", db_default="en"
    )  # of mails
    phone_region = models.CharField(
        _("default country of phone numbers"), max_length=2, default="DE"
    )
    # Privacy, see people/consent.py. ``rework_cursor``: the highest profile that fits the settings below; null: all do.
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
    rework_cursor = models.BigIntegerField(null=True, blank=True)
    rework_again_at = models.DateTimeField(
        null=True, blank=True
    )  # for what was under way when the settings changed
    # The rule that reads phones and e-mails changed then: names in the ledger of erasures of before are of the old one.
    reread_at = models.DateTimeField(null=True, blank=True)
    erasure_salt = models.BinaryField(max_length=32, default=erasure_salt)  # see people/ledger.py
    quota_stops_clock = models.BooleanField(
        _("daily limits of partners stop the clock"), default=False
    )
    # Put away by staff: hidden, nothing runs, keys are refused. With ``deleting_at`` it goes once its people are out
    # of every audience (canvases/deleting.py).
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
        """Fit everybody to changed settings, twice: who wrote by the old ones may end behind the first pass (not saved)."""
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
        """Whether this membership includes ``role``."""
        return Role(self.role).includes(role)


class Invitation(models.Model):
    """A mailed link that lets one address join one group. Only the hash of its token is stored."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(_("role"), max_length=10, choices=Role.choices, default=Role.MARKETER)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    accepted_at = models.DateTimeField(null=True, blank=True)
    link_shown = models.BooleanField(
        default=False, db_default=False
    )  # to the inviter, because no mail could be sent: it proves nothing

    def __str__(self) -> str:
        return f"{self.app_group}: {self.role}"

    @classmethod
    def issue(
        cls, app_group: AppGroup, *, email: str, role: str, by: User
    ) -> tuple[Invitation, str]:
        """Save an invitation; returns it with the token, which is shown or mailed once and never stored."""
        token = secrets.token_urlsafe(32)
        email = email.strip().lower()
        row = cls.objects.create(
            app_group=app_group, email=email, role=role, token_hash=cls.hash(token), invited_by=by
        )
        return row, token

    @staticmethod
    def hash(token: str) -> str:
        """What is stored of a token."""
        return hashlib.sha256(token.encode()).hexdigest()


class SetupLink(models.Model):
    """A printed link that makes the first account, see first_start/setup_link.py. Only the hash of its token is stored."""

    token_hash = models.CharField(max_length=64, unique=True)
    printed_by = models.CharField(
        max_length=200
    )  # printing again ends the link that the same process printed before
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"by {self.printed_by}"

    def is_open(self, *, now: datetime) -> bool:
        """Not too old."""
        return now < self.created_at + SETUP_LIFETIME


class ApiKey(models.Model):
    """A key of the REST API. The key itself is shown once; only its start and its SHA-256 are stored."""

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
        """Neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class RateWindow(models.Model):
    """How many calls of one kind a group has made since ``starts_at``; one row each, moved by rate_limits.py."""

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
    """The answer to a call that carried an Idempotency-Key: given again if the same call comes again."""

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
    """One line of a group's activity log: who did what, when. Never personal data of customers."""

    class Verb(models.TextChoices):
        """What can be logged."""

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
        """What sort of object a line is about."""

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
    kind = models.CharField(
        max_length=20, blank=True, default=""
    )  # of Kind; empty in lines of older versions
    subject = models.CharField(max_length=200)
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
        """What sort of object it is, in words; empty in lines of older versions."""
        return str(self.Kind(self.kind).label) if self.kind in self.Kind.values else ""

    @property
    def shown_changes(self) -> list[Shown]:
        """What was changed from what to what."""
        return shown(self.changes)

    @classmethod
    def log(
        cls,
        app_group: AppGroup,
        actor: User | None,
        verb: str,
        subject: str,
        *,
        kind: str = "",
        changes: Iterable[Change] = (),
    ) -> None:
        """Write one line, inside the caller's transaction. ``changes``: never secrets, never data of customers."""
        told = as_json(changes)
        cls.objects.create(
            app_group=app_group,
            actor=actor,
            verb=verb,
            kind=kind,
            subject=subject[:200],
            changes=told,
        )

    @classmethod
    def log_view(
        cls, app_group: AppGroup, actor: User, subject: str, *, kind: str, now: datetime
    ) -> None:
        """Somebody saw personal data unmasked: one line per actor, subject and hour."""
        recent = cls.objects.filter(
            app_group=app_group, at__gt=now - LOGGED_EVERY, actor=actor, subject=subject
        )
        if not recent.filter(verb=cls.Verb.VIEWED).exists():
            cls.log(app_group, actor, cls.Verb.VIEWED, subject, kind=kind)


class Lap(models.Model):
    """How far the daily walk through a table has come that drops what is too old (retention.py)."""

    name = models.CharField(max_length=40, primary_key=True)
    after = models.BigIntegerField(
        default=0
    )  # the highest id that was looked at; 0: the lap is over
    begun_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name}: {self.after}"
