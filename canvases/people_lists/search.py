"""Search a list for a person by a whole external id, address, phone number or alias."""

from __future__ import annotations

from dataclasses import replace

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from audiencesync.people.views import profiles
from canvases.people_lists.number import Number


def keep_matching(app_group: AppGroup, number: Number, text: str) -> Number:
    """Return the number with only the people who match. Its ``n`` still counts all people."""
    match_q = profiles.whole_identifier_q(text, app_group)
    matches = Profile.objects.filter(match_q, app_group=app_group)
    ids = list(matches.order_by().values_list("pk", flat=True))
    return replace(number, parts=[part.of(ids) for part in number.parts])
