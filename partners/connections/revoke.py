"""Tokens that are no longer ours to use: kept sealed until the partner says that they are void, a day at most.

A disconnect writes its token here in its own transaction and asks the partner after the commit; if the process dies in
between, or the partner is away, housekeeping asks again. Who refuses for good is not
asked again. Nothing else reads these rows.
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
KEEP = timedelta(days=1)
AT_ONCE = 3


class Ending(Enum):
    """Whether a token is void at the partner now: yes; not yet, it is asked again; no, and asking again is no use."""

    VOID = auto()
    LATER = auto()
    REFUSED = auto()


@sensitive_variables()
def keep(partner: str, token: str, *, now: datetime) -> SpentToken:
    """Write down, inside the caller's transaction, that ``token`` must end at the partner. Call `revoke` after it."""
    spent = SpentToken(partner=partner, created_at=now, due_at=_later(now))
    spent.token_sealed = crypto.seal(token, context=spent.token_context)
    spent.save()
    return spent


@sensitive_variables()
def revoke(spent: SpentToken) -> Ending:
    """Make a token void at the partner, and tell whether it is."""
    try:
        token = crypto.open_sealed(spent.token_sealed, context=spent.token_context)
        if not _is_used(spent.partner, token):
            registry.get(spent.partner).revoke(token)
    except Disconnected:
        pass  # it was void already
    except Retry as error:
        logger.warning("spent token %s: not revoked yet: %s", spent.pk, error.message_for_log)
        return Ending.LATER
    except (PartnerError, crypto.CannotOpen) as error:
        logger.error(
            "spent token %s: not revoked, and asking again is no use: %s",
            spent.pk,
            type(error).__name__,
        )
        SpentToken.objects.filter(pk=spent.pk).delete()
        return Ending.REFUSED
    SpentToken.objects.filter(pk=spent.pk).delete()
    return Ending.VOID


def sweep(*, now: datetime) -> int:
    """Ask again for what is due, each once however many workers sweep; answers how many tokens are void now."""
    old = SpentToken.objects.filter(created_at__lt=now - KEEP)
    for pk in old.values_list("pk", flat=True):
        logger.error(
            "spent token %s: the partner did not confirm within a day that it is void.", pk
        )
    old.delete()
    done, is_due = 0, lease.over("due_at", seconds=settings.SYNC.lease, now=now)
    for spent in SpentToken.objects.filter(is_due).order_by("due_at", "pk")[:AT_ONCE]:
        if SpentToken.objects.filter(pk=spent.pk, due_at=spent.due_at).update(due_at=_later(now)):
            done += revoke(spent) is Ending.VOID
    return done


def _later(now: datetime) -> datetime:
    """When to ask again: not while somebody may still be at it."""
    return lease.until(now, seconds=settings.SYNC.lease)


@sensitive_variables()
def _is_used(partner: str, token: str) -> bool:
    """Whether somebody has connected with this very token again: partners may give the same one twice."""
    for connection in Connection.objects.filter(partner=partner).exclude(token_sealed=""):
        try:
            if token in (connection.token, connection.refresh_token):
                return True
        except crypto.CannotOpen:
            continue
    return False
