"""Refresh access tokens before they expire."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.core.beat import exclusive
from partners import registry
from partners.base import Token
from partners.errors import Disconnected, PartnerError
from partners.incidents import reconcile
from partners.models import Connection, ParkedBy
from partners.queue import park

logger = logging.getLogger(__name__)
REFRESH_BEFORE = timedelta(minutes=5)
"""A token is refreshed this long before it expires: the periodic job (beat) runs once a minute."""


def refresh_all(*, now: datetime) -> None:
    """Refresh every token that expires soon; park the connections whose grant has ended."""
    expiring = Connection.objects.exclude(token_sealed="").filter(
        token_expires_at__lte=now + REFRESH_BEFORE
    )
    for connection in expiring.exclude(refresh_sealed="").order_by("token_expires_at"):
        try:
            refresh_if_due(connection, now=now)
        except Disconnected as error:
            park.park_connection(connection, error.code, now)
        except PartnerError as error:
            logger.warning(
                "token of connection %s was not refreshed: %s",
                connection.pk,
                error.message_for_log,
            )
        except crypto.CannotOpen:
            logger.warning(
                "connection %s: the refresh token cannot be opened with TOKEN_KEYS", connection.pk
            )


@sensitive_variables()
def refresh_if_due(connection: Connection, *, now: datetime) -> bool:
    """Replace a token that expires soon. Return whether this call replaced it.

    Raises PartnerError or crypto.CannotOpen; then the row is as before.
    """
    expires_at = connection.token_expires_at
    if expires_at is None or expires_at > now + REFRESH_BEFORE or not connection.refresh_sealed:
        return False
    # A refresh token works once: two refreshes at the same time would end the grant.
    seconds = 2 * settings.SYNC.request_deadline
    with exclusive(f"refresh-token:{connection.pk}", seconds) as is_mine:
        if not is_mine:
            return False
        stored = Connection.objects.get(pk=connection.pk)
        if stored.token_sealed == connection.token_sealed:  # no other process has refreshed it
            token = registry.get(connection.partner).refresh(connection.refresh_token)
            _store(connection, token)
            return True
        for name in ("token_sealed", "refresh_sealed", "token_expires_at"):
            setattr(connection, name, getattr(stored, name))
    return False


@sensitive_variables()
def _store(connection: Connection, token: Token) -> None:
    """Write the new token, unless an admin has connected or disconnected meanwhile."""
    former_sealed = connection.token_sealed
    refresh_token = token.refresh_token or connection.refresh_token
    connection.set_token(
        token.access_token, refresh_token=refresh_token, expires_at=token.expires_at
    )
    unchanged = Connection.objects.filter(pk=connection.pk, token_sealed=former_sealed)
    unchanged.update(
        token_sealed=connection.token_sealed,
        refresh_sealed=connection.refresh_sealed,
        token_expires_at=connection.token_expires_at,
    )
    # If the former token was refused, its connection is parked: unpark it for the new token.
    if Connection.objects.filter(
        pk=connection.pk, token_sealed=connection.token_sealed, parked_by=ParkedBy.TOKEN
    ).update(**park.NOT_PARKED):
        reconcile.after_commit(connection.app_group_id)
