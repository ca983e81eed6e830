"""Mails about troubles that are on their way to a member."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from audiencesync.groups.models import User


class Letter(models.Model):
    """One mail to one member, written in their language, kept until it went out; then only that it did.

    ``key`` names the incident and the reader, so that however many workers look, one writes it.
    """

    key = models.CharField(max_length=160, unique=True)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    subject = models.CharField(max_length=250, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_index=True)
    due_at = models.DateTimeField(null=True)  # of the next try; null: it went out or was given up
    tries = models.PositiveIntegerField(default=0)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="letter_due")]

    def __str__(self) -> str:
        return f"letter {self.pk}"
