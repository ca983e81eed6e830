"""The webhook of a group, and the outbox of its calls."""

from __future__ import annotations

import secrets
from datetime import datetime
from uuid import uuid4

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.models import AppGroup, User
from partners.models.incidents import Incident, Notice

MAX_URL = 500


class Webhook(models.Model):
    """The URL to which incidents of a group are posted, and the encrypted secret for signatures."""

    app_group = models.OneToOneField(AppGroup, models.CASCADE, related_name="webhook")
    url = models.CharField(max_length=MAX_URL)
    secret_sealed = models.TextField()
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    # The last call: when it ended, the HTTP status or our own error text, whether it succeeded.
    answered_at = models.DateTimeField(null=True)
    answer = models.CharField(max_length=60, blank=True)
    is_accepted = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"webhook {self.pk}"

    @property
    def secret_context(self) -> str:
        """Return the context of the secret: a ciphertext copied to another group does not open."""
        return f"webhook:v1:{self.app_group_id}"

    @sensitive_variables()
    def renew_secret(self) -> str:
        """Encrypt a new secret into the row and return it. The caller saves the row."""
        secret = f"whsec_{secrets.token_urlsafe(32)}"
        self.secret_sealed = crypto.seal(secret, context=self.secret_context)
        return secret

    @property
    def secret(self) -> str:
        """Return the secret. Raises crypto.CannotOpen."""
        return crypto.open_sealed(self.secret_sealed, context=self.secret_context)

    def record_answer(self, answer: str, *, is_accepted: bool, now: datetime) -> None:
        """Store the answer to the last call, unless the webhook was replaced meanwhile."""
        # A replaced webhook has another secret, so the ciphertext serves as its version.
        Webhook.objects.filter(pk=self.pk, secret_sealed=self.secret_sealed).update(
            answer=answer[:60], is_accepted=is_accepted, answered_at=now
        )


class WebhookCall(models.Model):
    """One message about an incident to a webhook, once for each kind (begun, over ...).

    Retried until it is accepted or given up.
    """

    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)
    webhook = models.ForeignKey(Webhook, models.CASCADE, related_name="calls")
    incident = models.ForeignKey(Incident, models.CASCADE, related_name="calls", db_index=False)
    kind = models.CharField(max_length=5, choices=Notice.Kind.choices)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)  # when to try next; null: accepted, or given up
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)  # when it was accepted

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "webhook", "kind"], name="webhook_call_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(due_at__isnull=False), name="webhook_call_due"
            )
        ]

    def __str__(self) -> str:
        return f"webhook call {self.pk}: {self.kind}"
