"""Conditions on the properties of an event, as rows of a form: all of them must hold."""

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

MOST = 5  # conditions of an event
NAMES = ("property", "op", "value")
OPS: list[tuple[str, Text]] = [(op, filters.OPS[op]) for op in event_property.OPS]


@dataclass(frozen=True, slots=True)
class Row:
    """The three fields of one condition."""

    name: BoundField
    op: BoundField
    value: BoundField

    @property
    def is_used(self) -> bool:
        """Return whether something was typed."""
        return bool(self.name.value() or self.value.value())


def names(prefix: str, n: int) -> list[str]:
    """Return the names of the fields of a row: event_property, then event_property2."""
    return [f"{prefix}{name}{n + 1 if n else ''}" for name in NAMES]


def add_fields(form: forms.BaseForm, prefix: str = "") -> None:
    """Give a form the fields of all rows; an empty property asks for nothing."""
    for n in range(MOST):
        name, op, value = names(prefix, n)
        form.fields[name] = forms.CharField(
            label=_("Property (optional)"), required=False, max_length=255
        )
        form.fields[op] = forms.ChoiceField(label=_("Comparison"), choices=OPS, required=False)
        form.fields[value] = forms.CharField(label=_("Value"), required=False, max_length=255)


def rows(form: forms.BaseForm, prefix: str = "") -> list[Row]:
    """Return the rows up to the last that is used, and an empty one if there may be more."""
    found = [Row(*(form[name] for name in names(prefix, n))) for n in range(MOST)]
    used = [n for n, row in enumerate(found) if row.is_used]
    return found[: used[-1] + 2 if used else 1]


def read(
    form: forms.BaseForm, event: Mapping[str, Any], asked: Mapping[str, Any], prefix: str = ""
) -> list[dict[str, Any]]:
    """Return ``where`` of an event from cleaned fields; add an error where it cannot be."""
    found: list[dict[str, Any]] = []
    for n in range(MOST):
        name, op, value = names(prefix, n)
        typed = (asked.get(name, ""), asked.get(op) or "is", asked.get(value, ""))
        if typed[2] and not typed[0] and name not in form.errors:
            form.add_error(name, _("Give the name of the property."))
        try:
            found += event_property.where(event, *typed)
        except filters.FilterError as error:
            form.add_error(value, error.message)
    return found


def initial(event: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the values of the fields for a stored event."""
    shown = event_property.shown(event)[:MOST]
    return {
        field: value
        for n, typed in enumerate(shown)
        for field, value in zip(names(prefix, n), typed, strict=True)
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
        """Ask for the name of an event; a purchase without one is any purchase."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Event.Kind.EVENT and not cleaned.get("name"):
            self.add_error("name", _("Give the name of the event."))
        elif not self.errors:
            cleaned["where"] = read(self, cleaned, cleaned)
        return cleaned
