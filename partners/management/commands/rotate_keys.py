"""Seals every stored token anew with the first key of TOKEN_KEYS, so that older keys can be taken away."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from audiencesync import crypto
from partners.models import Connection, OAuthState, SpentToken


class Command(BaseCommand):
    """Row by row and each by itself: it may be stopped at any time and run again, also while the engine works."""

    help = "Re-seal all partner tokens under the first key of TOKEN_KEYS."

    def handle(self, *args: Any, **options: Any) -> None:
        """Prints counts, never a token. Ends with an error if a row could not be opened."""
        failed = 0
        tables: dict[str, QuerySet[Any]] = {
            "connections": Connection.objects.all(),
            "authorisations": OAuthState.objects.all(),
            "spent tokens": SpentToken.objects.all(),
        }
        for label, rows in tables.items():
            counts = self._rotate(rows.exclude(token_sealed=""))
            failed += counts["unreadable"]
            self.stdout.write(f"{label}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
        if failed:
            raise CommandError(
                "Some tokens do not open with any key in TOKEN_KEYS; put the old key back, or connect again."
            )

    def _rotate(self, rows: QuerySet[Any]) -> dict[str, int]:
        counts = {"sealed anew": 0, "already current": 0, "changed meanwhile": 0, "unreadable": 0}
        for row in rows.order_by("pk").iterator(chunk_size=200):
            counts[self._one(rows, row)] += 1
        return counts

    @sensitive_variables("anew")
    def _one(self, rows: QuerySet[Any], row: Connection | OAuthState | SpentToken) -> str:
        if crypto.is_current(row.token_sealed):
            return "already current"
        try:
            anew = crypto.seal(
                crypto.open_sealed(row.token_sealed, context=row.token_context), context=row.token_context
            )
        except crypto.CannotOpen:
            return "unreadable"
        # Only over what was read: a token that changed in between is newer than ours, and sealed with the first key.
        won = rows.filter(pk=row.pk, token_sealed=row.token_sealed).update(token_sealed=anew)
        return "sealed anew" if won else "changed meanwhile"
