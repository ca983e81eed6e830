"""How many live canvases use an audience."""

from __future__ import annotations

from django.db.models import Count, Q

from canvases.models import Canvas
from partners.models import Action


def live_canvases(action: Action) -> Count:
    """Return an annotation of audiences: the number of live canvases with this action there."""
    live = Q(syncs__is_live=True, syncs__steps__canvas__state=Canvas.State.LIVE)
    return Count("syncs__steps__canvas", filter=live & Q(syncs__action=action), distinct=True)
