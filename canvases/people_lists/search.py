"""Search a list for a person by a whole external id, address, phone number or alias."""

from __future__ import annotations

from dataclasses import replace

from audiencesync.people.models import Profile
from audiencesync.people.views import profiles
from canvases.models import Canvas
from canvases.people_lists.number import Number


def only(canvas: Canvas, number: Number, text: str) -> Number:
    """Return the number with only the people who fit. Its ``n`` stays that of all."""
    fits = profiles.exactly(text, canvas.app_group)
    everybody = Profile.objects.filter(fits, app_group=canvas.app_group_id)
    found = list(everybody.order_by().values_list("pk", flat=True))
    return replace(number, parts=[part.of(found) for part in number.parts])
