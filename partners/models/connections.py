"""Connections to partners, their ad accounts and audiences, and one-time authorisations.

Sealed columns hold encrypted secrets; the context of a secret is authenticated with it, so that a
ciphertext copied to another row does not open.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import models
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.models import AppGroup, User
from partners.base import MAX_CODE

MAX_REMOTE_ID = 64


def _key() -> str:
    return secrets.token_hex(16)


class ParkedBy(models.TextChoices):
    """Why nothing is sent through a row at present."""

    TOKEN = "token", "no longer accepts our authorisation"
    AD_ACCOUNT = "ad_account", "refuses us this ad account"
    AUDIENCE_GONE = "gone", "no longer has the audience"


class Parkable(models.Model):
    """A row through which nothing is sent until ``parked_until`` (a circuit breaker).

    Then a single request is sent as a probe. If it succeeds, the row is unparked.
    """

    parked_until = models.DateTimeField(null=True, blank=True)
    parked_by = models.CharField(max_length=10, choices=ParkedBy.choices, blank=True)
    parked_code = models.CharField(max_length=MAX_CODE, blank=True)
    parked_since = models.DateTimeField(null=True, blank=True)
    # This column is no longer used: migration 0023 has turned it into notices
    # (models/incidents.py).
    alerted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


def lane_q(lane: str, path: str = "") -> models.Q:
    """Match rows of one lane (AdAccount.lane). ``path``: the lookup to AdAccount, with "__"."""
    partner, remote_id = lane.split(":", 1)
    return models.Q(**{f"{path}connection__partner": partner, f"{path}remote_id": remote_id})


class Connection(Parkable):
    """An app group's authorisation at a partner. A disconnect wipes the token, not the row."""

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="connections")
    partner = models.CharField(max_length=20)
    token_sealed = models.TextField(blank=True)
    refresh_sealed = models.TextField(blank=True, default="", db_default="")
    token_expires_at = models.DateTimeField(null=True, blank=True)
    scopes = models.JSONField(default=list)
    remote_user_id = models.CharField(max_length=64, blank=True)
    remote_user_name = models.CharField(max_length=200, blank=True)
    remote_user_email = models.CharField(max_length=320, blank=True)  # as the partner masks it
    connected_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    connected_at = models.DateTimeField(null=True, blank=True)
    disconnected_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)  # last proof that the token works
    probed_at = models.DateTimeField(null=True, blank=True)  # start of the last probe
    # A swap: while an admin changes the account at the partner, nothing is sent.
    swap_begun_at = models.DateTimeField(null=True, blank=True)
    swap_until = models.DateTimeField(null=True, blank=True)
    swap_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    examined_at = models.DateTimeField(null=True, blank=True)  # start of the last run of all checks

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["app_group", "partner"], name="connection_once"),
            models.CheckConstraint(
                condition=models.Q(swap_until__isnull=True, swap_begun_at__isnull=True)
                | models.Q(swap_until__isnull=False, swap_begun_at__isnull=False),
                name="connection_swap",
            ),
        ]

    def __str__(self) -> str:
        return f"connection {self.pk} to {self.partner}"

    @property
    def is_connected(self) -> bool:
        """Return whether there is a token; the partner may refuse it."""
        return bool(self.token_sealed)

    @property
    def token_context(self) -> str:
        """Return the context of the token: its group and partner."""
        return f"partner-token:v1:{self.app_group_id}:{self.partner}"

    @sensitive_variables()
    def set_token(
        self, token: str, *, refresh_token: str = "", expires_at: datetime | None = None
    ) -> None:
        """Encrypt a token into the row. The caller saves it."""
        self.token_sealed = crypto.seal(token, context=self.token_context)
        self.refresh_sealed = (
            crypto.seal(refresh_token, context=self.refresh_context) if refresh_token else ""
        )
        self.token_expires_at = expires_at

    @property
    def refresh_context(self) -> str:
        """Return the context of the refresh token."""
        return f"partner-refresh:v1:{self.app_group_id}:{self.partner}"

    @property
    def refresh_token(self) -> str:
        """Return the partner's refresh token, or "". Raises crypto.CannotOpen."""
        if not self.refresh_sealed:
            return ""
        return crypto.open_sealed(self.refresh_sealed, context=self.refresh_context)

    @property
    def grant(self) -> str:
        """Return the secret to revoke: the refresh token if there is one, else the access token.

        Raises crypto.CannotOpen.
        """
        return self.refresh_token or self.token

    @property
    def token(self) -> str:
        """Return the partner's access token. Raises crypto.CannotOpen."""
        return crypto.open_sealed(self.token_sealed, context=self.token_context)

    @property
    def opens_here(self) -> bool:
        """Return whether this machine can decrypt the token; others may have other TOKEN_KEYS."""
        try:
            return bool(self.token)
        except crypto.CannotOpen:
            return False


class AdAccount(Parkable):
    """An advertiser account chosen for syncing."""

    GROUP_PATH = "connection__app_group"

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="ad_accounts")
    remote_id = models.CharField(max_length=MAX_REMOTE_ID, db_index=True)
    name = models.CharField(max_length=255)
    currency = models.CharField(max_length=8, blank=True)
    time_zone = models.CharField(max_length=64, blank=True)
    status = models.CharField(max_length=40, blank=True)
    # False: disconnected. Steps still point to this row, and a reconnect resumes them.
    is_chosen = models.BooleanField(default=True)
    # How many people a request may carry, learned from refusals; None: no limit was learned.
    learned_cap = models.PositiveIntegerField(null=True, blank=True)
    n_audiences = models.PositiveIntegerField(null=True, blank=True)  # those that the partner lists
    refreshed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["connection", "remote_id"], name="ad_account_once")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def lane(self) -> str:
        """Return the key of its lane, which all rows of one remote ad account share."""
        return f"{self.connection.partner}:{self.remote_id}"


class Audience(Parkable):
    """A custom audience at the partner.

    ``seq`` is the highest number in the order of its batches; every enqueue raises it.
    """

    GROUP_PATH = "ad_account__connection__app_group"

    ad_account = models.ForeignKey(AdAccount, models.CASCADE, related_name="audiences")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # how programs name it
    # Empty while the partner has not confirmed the creation.
    remote_id = models.CharField(max_length=MAX_REMOTE_ID, blank=True)
    name = models.CharField(max_length=255)
    kind = models.CharField(max_length=40, blank=True)  # the partner's type, such as Partner
    size = models.BigIntegerField(null=True, blank=True)
    is_appendable = models.BooleanField(default=True)
    why_not = models.CharField(max_length=200, blank=True)  # why people cannot be added
    # What the partner says: whether ads can use it, whether it is deleted there soon, and when.
    is_valid = models.BooleanField(default=True, db_default=True)
    is_expiring = models.BooleanField(default=False, db_default=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    seq = models.BigIntegerField(default=0)
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    create_tries = models.PositiveIntegerField(default=0)
    # Until it is created: when the lease of the creating process ends. Then: when it was created.
    create_until = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)  # last time the partner listed it
    gone_at = models.DateTimeField(null=True, blank=True)  # the partner no longer knows it

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["ad_account", "remote_id"],
                condition=~models.Q(remote_id=""),
                name="audience_once",
            ),
            models.UniqueConstraint(
                fields=["ad_account", "name"],
                condition=models.Q(remote_id=""),
                name="audience_creating_once",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class SpentToken(models.Model):
    """A token that we no longer use and still have to revoke (connections/revoke.py)."""

    key = models.CharField(max_length=32, unique=True, default=_key)  # part of `token_context`
    partner = models.CharField(max_length=20)
    token_sealed = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)  # when to try next

    def __str__(self) -> str:
        return f"spent token {self.pk}"

    @property
    def token_context(self) -> str:
        """Return the context of the token."""
        return f"spent-token:v1:{self.partner}:{self.key}"


class OAuthState(models.Model):
    """An authorisation in progress: bound to session, user and group, used once, within 10 minutes.

    The exchange of the callback's code fills ``token_sealed`` and ``offer`` (the ad accounts of the
    token). The connection becomes usable once an admin has chosen some of these ad accounts.
    """

    state_hash = models.CharField(max_length=64, unique=True)
    session_hash = models.CharField(max_length=64)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+")
    partner = models.CharField(max_length=20)
    created_at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True, blank=True)
    token_sealed = models.TextField(blank=True)
    refresh_sealed = models.TextField(blank=True, default="", db_default="")
    token_expires_at = models.DateTimeField(null=True, blank=True)
    offer: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    chosen_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"authorisation {self.pk}"

    @property
    def token_context(self) -> str:
        """Return the context of the token."""
        return f"partner-offer:v1:{self.pk}"

    @property
    def refresh_context(self) -> str:
        """Return the context of the refresh token."""
        return f"partner-offer-refresh:v1:{self.pk}"
