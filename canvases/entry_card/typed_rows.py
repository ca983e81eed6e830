"""The typed rows of a formset, to draw it again after a button that adds or removes a row."""

from __future__ import annotations

from typing import Any

from django.forms import BaseFormSet


def typed_rows(formset: BaseFormSet[Any], *, without: object = None) -> list[dict[str, Any]]:
    """Return what was typed in each row of a bound formset, as ``initial`` of a new one.

    ``without``: the number of the row to leave out, as its button sends it.
    """
    return [
        {field.name: field.value() for field in row}
        for number, row in enumerate(formset)
        if str(number) != without
    ]
