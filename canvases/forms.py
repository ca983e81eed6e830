"""Forms of the canvas pages. Those of steps are in canvases/steps."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from canvases.models import Canvas


class CanvasForm(forms.ModelForm):
    """Name, segment and description of a new canvas."""

    segment = forms.ModelChoiceField(
        Segment.objects.none(),
        label=_("Segment"),
        required=False,
        empty_label=_("Choose it later"),
        help_text=_("Who enters and when is chosen in the entry card of the canvas."),
        error_messages={"invalid_choice": _("There is no such segment in this app group.")},
    )

    class Meta:
        model = Canvas
        fields = ["name", "segment", "description"]

    def __init__(self, *args: Any, app_group: AppGroup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        segments = app_group.segments.all()
        self.fields["segment"].queryset = segments  # type: ignore[attr-defined]  # of model rows


class CanvasFilter(forms.Form):
    """Filter of the list of canvases."""

    SHOWN = [("", _("All but archived")), *Canvas.State.choices]

    q = forms.CharField(label=_("Search"), required=False, max_length=120)
    state = forms.ChoiceField(label=_("State"), choices=SHOWN, required=False)
