"""The forms of a canvas as viewers see them: without personal data in the values of conditions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django import forms

from audiencesync.people.masking import STARS
from audiencesync.people.segments.nodes import PERSONAL
from audiencesync.people.segments.words import is_personal

# Values of conditions on events (entry_card/conditions.py), and those of the segment builder.
VALUE_FIELDS = re.compile(r"(event_)?value[0-9]*|(value|amount)-[0-9.]+(w[0-9])?", re.ASCII)


def mask(form: forms.BaseForm) -> None:
    """Replace personal values, as segments in words do. Viewers cannot submit the form."""
    for form_part in _with_rows(form):
        for name in filter(VALUE_FIELDS.fullmatch, form_part.fields):
            value = form_part.initial.get(name)
            attribute = form_part.initial.get(f"field-{name.removeprefix('value-')}")
            if value and (attribute in PERSONAL or is_personal(value)):
                form_part.initial[name] = STARS


def _with_rows(form: forms.BaseForm) -> Iterator[forms.BaseForm]:
    """Yield a form and the rows of the formsets inside it."""
    yield form
    for name in ("exits", "rows"):
        yield from getattr(form, name, ())
