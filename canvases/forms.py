"""Forms of the canvas pages. Those of steps are in canvases/steps."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from canvases.analytics import SORTS, TableQuery
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


class StaffFilter(forms.Form):
    """Filter and order of the staff table; with ``slug`` of one group only."""

    q = forms.CharField(label=_("Search"), required=False, max_length=120)
    group = forms.ModelChoiceField(
        AppGroup.objects.all(),
        label=_("App group"),
        required=False,
        to_field_name="slug",
        empty_label=_("All"),
    )
    state = forms.ChoiceField(
        label=_("State"), choices=[("", _("All")), *Canvas.State.choices], required=False
    )
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    sort = forms.ChoiceField(
        choices=[(sign + name, name) for name in SORTS for sign in ("", "-")],
        required=False,
        widget=forms.HiddenInput,
    )

    def __init__(self, *args: Any, slug: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = slug
        if slug:
            del self.fields["group"]

    def clean(self) -> dict[str, Any]:
        """Refuse an end before the start."""
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("The end lies before the beginning."))
        return cleaned

    def query(self) -> TableQuery:
        """Return the filter. Only for valid forms."""
        cleaned = self.cleaned_data
        return TableQuery(
            group=self.slug or (cleaned["group"].slug if cleaned["group"] else ""),
            state=cleaned["state"],
            text=cleaned["q"].strip(),
            since=cleaned["since"],
            until=cleaned["until"],
            sort=cleaned["sort"] or "trouble",
        )
