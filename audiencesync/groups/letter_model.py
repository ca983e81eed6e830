"""The table of mails that are on their way; models.py takes it in."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Letter(models.Model):
    """One mail that the engine sends and tries again. Two sorts:

    To a member about trouble: with ``user``, written in their language, kept until it went out; then only that it did.
    ``key`` names the incident and the reader, so that however many workers look, one writes it.

    Asked for by a visitor: with ``kind``, ``address`` as it was typed, and the language of the page. Whether there is
    such an account, and the words with their link, turn out as it is sent (asked_mails.py). Then the row goes.
    """

    key = models.CharField(max_length=160, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=30, blank=True, default="", db_default="")
    address = models.CharField(max_length=320, blank=True, default="", db_default="")
    language = models.CharField(max_length=10, blank=True, default="", db_default="")
    subject = models.CharField(max_length=250, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField(null=True)  # of the next try; null: it went out or was given up
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "partners_letter"  # its name of before: other versions may run beside this one during an update
        indexes = [
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="letter_due")
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(user__isnull=False) | ~Q(kind=""), name="letter_has_a_reader"
            )
        ]

    def __str__(self) -> str:
        return f"letter {self.pk}"
