"""Search a list for a person by a whole address, phone number, alias or the start of an id."""

from __future__ import annotations

from dataclasses import replace

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.people.models import Profile
from audiencesync.people.views import profiles
from canvases.models import Canvas
from canvases.people_lists.number import Number

MOST = 200


class TooMany(Exception):
    """More people fit than a list is searched for."""


class Search(forms.Form):
    """The search of a list."""

    q = forms.CharField(
        label=_("Search in this list"),
        required=False,
        max_length=320,
        help_text=_("The beginning of an external ID, or a whole e-mail address, phone or alias."),
    )


def only(canvas: Canvas, number: Number, text: str, *, masked: bool) -> Number:
    """Return the number with only the people who fit. Raise TooMany."""
    everybody = Profile.objects.filter(app_group=canvas.app_group_id)
    fits = profiles.exactly(text, canvas.app_group, masked=masked)
    found = list(everybody.filter(fits).order_by().values_list("pk", flat=True)[: MOST + 1])
    if len(found) > MOST:
        raise TooMany
    return replace(number, parts=[part.of(found) for part in number.parts])
