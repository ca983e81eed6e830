"""The answers of the checks at a partner, as the page Health shows them."""

from __future__ import annotations

from django.db import models

from partners.base import MAX_CODE
from partners.models.connections import AdAccount, Connection

MAX_ANSWER = 200


class CheckAnswer(models.Model):
    """One check of a connection and its answer, without tokens, personal data or free text.

    ``answer`` depends on ``kind`` and is put into words by partners/health/answers.py: the missing
    permissions in English, a status of the partner, or "2/5" (2 of 5 audiences).
    """

    class Kind(models.TextChoices):
        ACCESS = "access"
        PERMISSIONS = "permissions"
        AD_ACCOUNT = "ad_account"
        AUDIENCES = "audiences"
        ALLOW_LIST = "allow_list"

    class Result(models.TextChoices):
        GOOD = "good"
        BAD = "bad"
        UNKNOWN = "unknown"

    connection = models.ForeignKey(
        Connection, models.CASCADE, related_name="check_answers", db_index=False
    )
    # None: the check is about the whole connection.
    ad_account = models.ForeignKey(AdAccount, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    result = models.CharField(max_length=8, choices=Result.choices)
    code = models.CharField(max_length=MAX_CODE, blank=True)
    answer = models.CharField(max_length=MAX_ANSWER, blank=True)
    ms = models.PositiveIntegerField(default=0)
    at = models.DateTimeField(db_index=True)  # the same for all checks of one run
    since = models.DateTimeField()  # since when the result has been the same

    class Meta:
        indexes = [models.Index(fields=["connection", "-id"], name="check_answer_newest")]

    def __str__(self) -> str:
        return f"{self.kind} of connection {self.connection_id}: {self.result}"
