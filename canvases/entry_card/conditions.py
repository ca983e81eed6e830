"""Conditions on the properties of an event, as rows of a form: all of them must hold.

An event filter is the stored choice of events: kind, name and ``where``, the list of conditions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from audiencesync.people.models import Event
from audiencesync.people.segments import filters
from canvases.entry_card import event_property
from canvases.steps.base import Text

MAX_CONDITIONS = 5
ROW_PARTS = ("property", "op", "value")
OPS: list[tuple[str, Text]] = [(op, filters.OPS[op]) for op in event_property.OPS]


@dataclass(frozen=True, slots=True)
class Row:
    """The three fields of one condition. ``name``: the field for the name of the property."""

    name: BoundField
    op: BoundField
    value: BoundField

    @property
    def is_used(self) -> bool:
        """Return whether something was typed."""
        return bool(self.name.value() or self.value.value())


def field_names(prefix: str, n: int) -> list[str]:
    """Return the names of the fields of a row.

    With the prefix "event_", they begin with event_property for ``n`` 0, event_property2 for 1.
    """
    return [f"{prefix}{name}{n + 1 if n else ''}" for name in ROW_PARTS]


def add_fields(form: forms.BaseForm, prefix: str = "") -> None:
    """Give a form the fields of all rows; a row without a property is no condition."""
    for n in range(MAX_CONDITIONS):
        property_field, op_field, value_field = field_names(prefix, n)
        form.fields[property_field] = forms.CharField(
            label=_("Property (optional)"), required=False, max_length=255
        )
        form.fields[op_field] = forms.ChoiceField(
            label=_("Comparison"), choices=OPS, required=False
        )
        form.fields[value_field] = forms.CharField(label=_("Value"), required=False, max_length=255)


def rows(form: forms.BaseForm, prefix: str = "") -> list[Row]:
    """Return the rows up to the last used one, then an empty one if more are possible."""
    all_rows = [
        Row(*(form[name] for name in field_names(prefix, n))) for n in range(MAX_CONDITIONS)
    ]
    used_indexes = [n for n, row in enumerate(all_rows) if row.is_used]
    return all_rows[: used_indexes[-1] + 2 if used_indexes else 1]


def read(
    form: forms.BaseForm,
    event_filter: Mapping[str, Any],
    cleaned: Mapping[str, Any],
    prefix: str = "",
) -> list[dict[str, Any]]:
    """Return ``where`` of an event filter from cleaned fields; add an error to each invalid row.

    ``event_filter``: its kind and name, against which each condition is checked.
    """
    where: list[dict[str, Any]] = []
    for n in range(MAX_CONDITIONS):
        property_field, op_field, value_field = field_names(prefix, n)
        name, value = cleaned.get(property_field, ""), cleaned.get(value_field, "")
        if value and not name and property_field not in form.errors:
            form.add_error(property_field, _("Give the name of the property."))
        try:
            where += event_property.where(event_filter, name, cleaned.get(op_field) or "is", value)
        except filters.FilterError as error:
            form.add_error(value_field, error.message)
    return where


def initial(event_filter: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the values of the fields for a stored event filter."""
    stored = event_property.as_typed(event_filter)[:MAX_CONDITIONS]
    return {
        field: value
        for n, texts in enumerate(stored)
        for field, value in zip(field_names(prefix, n), texts, strict=True)
    }


class EventForm(forms.Form):
    """The name of an event or purchase, and conditions on its properties.

    Subclasses have a field ``kind``.
    """

    name = forms.CharField(
        label=_("Name of the event or product"),
        required=False,
        max_length=255,
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        add_fields(self)

    @property
    def condition_rows(self) -> list[Row]:
        """Return the rows of conditions on properties that are shown."""
        return rows(self)

    def clean(self) -> dict[str, Any]:
        """Require the name of an event; a purchase without one is any purchase."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Event.Kind.EVENT and not cleaned.get("name"):
            self.add_error("name", _("Give the name of the event."))
        elif not self.errors:
            # `read` takes the kind and name of the event filter from the fields of this form.
            cleaned["where"] = read(self, cleaned, cleaned)
        return cleaned
