"""Revoke, at the partner, the tokens that we no longer use; failures are retried for one day.

A disconnect stores its token as a SpentToken in its transaction, and revokes it after the commit.
If the process dies in between, or the partner does not answer, housekeeping tries again. After a
refusal it does not.
"""

import logging
from datetime import datetime, timedelta
from enum import Enum, auto

from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto, lease
from partners import registry
from partners.errors import Disconnected, PartnerError, Retry
from partners.models import Connection, SpentToken

logger = logging.getLogger(__name__)
RETRY_FOR = timedelta(days=1)
MAX_PER_RUN = 3


class Revocation(Enum):
    """The state of a revocation. DONE: the token is no longer valid, or it is in use again."""

    DONE = auto()
    RETRYING = auto()
    REFUSED = auto()


@sensitive_variables()
def schedule(partner: str, token: str, *, now: datetime) -> SpentToken:
    """Store a token to revoke, inside the caller's transaction. Call `revoke` after it."""
    spent = SpentToken(partner=partner, created_at=now, due_at=_retry_at(now))
    spent.token_sealed = crypto.seal(token, context=spent.token_context)
    spent.save()
    return spent


@sensitive_variables()
def revoke(spent: SpentToken) -> Revocation:
    """Revoke a token at the partner."""
    try:
        token = crypto.open_sealed(spent.token_sealed, context=spent.token_context)
        if not _is_in_use(spent.partner, token):
            registry.get(spent.partner).revoke(token)
    except Disconnected:
        pass  # the token was invalid already
    except Retry as error:
        logger.warning("spent token %s: not revoked yet: %s", spent.pk, error.message_for_log)
        return Revocation.RETRYING
    except (PartnerError, crypto.CannotOpen) as error:
        logger.error(
            "spent token %s: not revoked, and asking again is no use: %s",
            spent.pk,
            type(error).__name__,
        )
        SpentToken.objects.filter(pk=spent.pk).delete()
        return Revocation.REFUSED
    SpentToken.objects.filter(pk=spent.pk).delete()
    return Revocation.DONE


def retry_due(*, now: datetime) -> int:
    """Retry the revocations that are due, each by one worker. Return how many are done."""
    expired = SpentToken.objects.filter(created_at__lt=now - RETRY_FOR)
    for pk in expired.values_list("pk", flat=True):
        logger.error(
            "spent token %s: the partner did not confirm within a day that it is void.", pk
        )
    expired.delete()
    # ``due_at`` is also the end of the claim (lease) of the worker that tries it now.
    n_done, due_q = 0, lease.expired_q("due_at", seconds=settings.SYNC.lease, now=now)
    for spent in SpentToken.objects.filter(due_q).order_by("due_at", "pk")[:MAX_PER_RUN]:
        if SpentToken.objects.filter(pk=spent.pk, due_at=spent.due_at).update(
            due_at=_retry_at(now)
        ):
            n_done += revoke(spent) is Revocation.DONE
    return n_done


def _retry_at(now: datetime) -> datetime:
    """Return the end of a lease that begins now: until then no other worker tries."""
    return lease.until(now, seconds=settings.SYNC.lease)


@sensitive_variables()
def _is_in_use(partner: str, token: str) -> bool:
    """Return whether a connection has this token again: partners may issue the same one twice."""
    for connection in Connection.objects.filter(partner=partner).exclude(token_sealed=""):
        try:
            if token in (connection.token, connection.refresh_token):
                return True
        except crypto.CannotOpen:
            continue
    return False
