"""Encrypt stored secrets again with the first key of TOKEN_KEYS, to retire older keys.

The secrets are tokens, secrets of webhooks and second factors. Sealed means encrypted.
"""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.accounts import second_factor
from partners.models import Connection, OAuthState, SpentToken, Webhook


class Command(BaseCommand):
    """Encrypt row by row. It may be stopped and run again at any time, also beside the engine."""

    help = "Re-seal tokens, webhook secrets and second factors under the first key of TOKEN_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print counts, never a token. Raise CommandError if a row could not be opened."""
        n_unreadable = 0
        tables: dict[str, QuerySet[Any]] = {
            "connections": Connection.objects.all(),
            "authorisations": OAuthState.objects.all(),
            "spent tokens": SpentToken.objects.all(),
        }
        for label, rows in tables.items():
            n_unreadable += self._rotate(label, rows.exclude(token_sealed=""), self._reseal_token)
        if n_unreadable:
            raise CommandError(
                "Some tokens do not open with any key in TOKEN_KEYS; put the old key back, or "
                "connect again."
            )
        if self._rotate("webhooks", Webhook.objects.all(), self._reseal_webhook):
            raise CommandError(
                "Some secrets of webhooks do not open with any key in TOKEN_KEYS; put the old key "
                "back, or save those webhooks again."
            )
        if self._rotate("second factors", Authenticator.objects.all(), self._reseal_second_factor):
            raise CommandError(
                "Some second factors do not open with any key in TOKEN_KEYS; put the old key back, "
                "or have their owners set them up again."
            )

    def _rotate(
        self, label: str, rows: QuerySet[Any], reseal_row: Callable[[QuerySet[Any], Any], str]
    ) -> int:
        """Print the counts of a table; return how many could not be opened."""
        counts = {"resealed": 0, "already current": 0, "changed meanwhile": 0, "unreadable": 0}
        for row in rows.order_by("pk").iterator(chunk_size=200):
            counts[reseal_row(rows, row)] += 1
        self.stdout.write(
            f"{label}: " + ", ".join(f"{count} {result}" for result, count in counts.items())
        )
        return counts["unreadable"]

    @sensitive_variables("sealed")
    def _reseal_webhook(self, rows: QuerySet[Any], row: Webhook) -> str:
        if crypto.is_current(row.secret_sealed):
            return "already current"
        try:
            sealed = _reseal(row.secret_sealed, row.secret_context)
        except crypto.CannotOpen:
            return "unreadable"
        unchanged = rows.filter(pk=row.pk, secret_sealed=row.secret_sealed)
        return "resealed" if unchanged.update(secret_sealed=sealed) else "changed meanwhile"

    @sensitive_variables("data")
    def _reseal_second_factor(self, rows: QuerySet[Any], row: Authenticator) -> str:
        with transaction.atomic():
            current = rows.select_for_update().filter(pk=row.pk).first()
            if current is None:
                return "changed meanwhile"
            try:
                data = second_factor.reseal(current.data)
            except crypto.CannotOpen:
                return "unreadable"
            if data is None:
                return "already current"
            current.data = data
            current.save(update_fields=["data"])
            return "resealed"

    @sensitive_variables()
    def _reseal_token(self, rows: QuerySet[Any], row: Connection | OAuthState | SpentToken) -> str:
        if crypto.is_current(row.token_sealed):
            return "already current"
        try:
            values = {"token_sealed": _reseal(row.token_sealed, row.token_context)}
            if not isinstance(row, SpentToken) and row.refresh_sealed:
                values["refresh_sealed"] = _reseal(row.refresh_sealed, row.refresh_context)
        except crypto.CannotOpen:
            return "unreadable"
        # Replace only the value that was read: a token that changed meanwhile has the first key
        # already.
        unchanged = rows.filter(pk=row.pk, token_sealed=row.token_sealed)
        return "resealed" if unchanged.update(**values) else "changed meanwhile"


@sensitive_variables()
def _reseal(sealed: str, context: str) -> str:
    """Seal a secret with the first key. Raises crypto.CannotOpen."""
    return crypto.seal(crypto.open_sealed(sealed, context=context), context=context)
