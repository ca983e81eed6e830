"""One row of any table, with a marker of its own in each text, so that a page that shows it is
found out."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import count

from django.db import models
from django.utils import timezone

NUMBERS = count(1)
# Set where a constraint allows not every combination; None: left out.
GIVEN = {
    "partners.Incident": {"ad_account": None, "audience": None, "sync": None},
    "partners.Batch": {"waits_for": None, "repeat_of": None, "moves_to": None},
}


def create_row(model):
    """Return a new row and its markers by the name of the field."""
    given, values, markers = GIVEN.get(model._meta.label, {}), {}, {}
    for field in model._meta.concrete_fields:
        if field.name in given or isinstance(field, models.AutoField):
            continue
        if isinstance(field, models.ForeignKey):
            if field.related_model is not model and not _is_optional(field):
                values[field.name] = create_row(field.related_model)[0]
        elif not field.choices and isinstance(
            field, models.CharField | models.TextField | models.JSONField | models.BinaryField
        ):
            markers[field.name] = f"zq{next(NUMBERS)}x"
            values[field.name] = _text(field, markers[field.name])
        elif field.choices and not field.has_default():
            values[field.name] = field.choices[0][0]
        elif not field.null and not field.has_default():
            values[field.name] = _other(field)
    return model._base_manager.create(**values), markers


def _is_optional(field):
    return field.null and field.model._meta.label != "partners.Incident"


def _text(field, marker):
    if isinstance(field, models.BinaryField):
        return marker.encode().ljust(32, b".")
    if isinstance(field, models.JSONField):
        return {marker: 1}
    if isinstance(field, models.EmailField):
        return f"{marker}@example.org"
    return marker[: field.max_length]


def _other(field):
    if isinstance(field, models.DateTimeField):
        return timezone.now()
    if isinstance(field, models.DateField):
        return date(2026, 1, 1)
    if isinstance(field, models.DecimalField):
        return Decimal(1)
    return next(NUMBERS) if field.unique else 0
