"""The people of one request to a partner, as long as their deliveries are kept."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from audiencesync.core.lists import Rows
from canvases import reasons
from canvases.models import Step
from canvases.people_lists.number import Number, UnknownNumber
from partners.models import Delivery, PushShare
from partners.numbers import requests

NAME = "request"  # in the address: ?number=request&reason=<key of a requests.Line>


def number(step: Step, key: str | None, *, is_counted: bool) -> Number:
    """Return the people of one request that one Sync of ``step`` sent. Raise UnknownNumber.

    ``key``: that of a requests.Line.
    """
    parsed = requests.parse_key(key or "")
    if parsed is None:
        raise UnknownNumber
    push, sync = parsed
    shares = PushShare.objects.select_related("push")
    share = shares.filter(push=push, sync=sync, sync__in=reasons.all_syncs_of(step)).first()
    if share is None:
        raise UnknownNumber
    deliveries = Delivery.objects.filter(batch__in=share.push.batches, sync=sync)
    gone = max(0, share.people - deliveries.count()) if is_counted else 0
    rows = Rows(deliveries.select_related("batch"))
    return Number(NAME, _("People of a request"), share.people, gone, [rows], request=key)
