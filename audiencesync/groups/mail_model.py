"""The outbox table; models.py imports it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class OutgoingMail(models.Model):
    """A mail that the engine sends and retries. There are two kinds:

    An alert to a member: ``user`` is set; subject and body are written in the user's language and
    cleared once sent. ``key`` names incident and recipient: parallel workers write only one mail.

    A mail that a visitor requested: ``kind``, ``address`` (as typed) and ``language`` (of the page)
    are set. Whether there is such an account is looked up on sending (requested_mails.py). Then the
    row is deleted.
    """

    key = models.CharField(max_length=160, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=30, blank=True, default="", db_default="")
    address = models.CharField(max_length=320, blank=True, default="", db_default="")
    language = models.CharField(max_length=10, blank=True, default="", db_default="")
    subject = models.CharField(max_length=250, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField(null=True)  # time of the next attempt; null: sent, or given up
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "partners_letter"  # a new name would break older versions during an update
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="letter_due")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) | ~Q(kind=""), name="letter_has_a_reader"
            )
        ]

    def __str__(self) -> str:
        return f"mail {self.pk}"

    @property
    def is_requested(self) -> bool:
        """Return whether a visitor requested the mail, such as a password reset."""
        return bool(self.kind)
