"""A form of stored values that another person may change while its page is open."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _


class EditedMeanwhile(forms.BaseForm):
    """Mixin of a form: saving changes only what its user has changed.

    The page carries the values that it was loaded with (``{{ form.seen }}``). What only another
    person has changed since stays as they stored it; a field that both have changed is an error,
    which names the stored value, and saving again replaces it.
    """

    both_changed: tuple[str, ...] = ()  # names of fields

    def keep_changes_of_others(self) -> None:
        """Put what others have stored into the sent data; call it at the end of ``__init__``."""
        loaded = self._loaded_values() if self.is_bound else {}
        sent_data: Any = self.data
        data, both_changed = sent_data.copy(), []
        for name in self.fields.keys() & loaded.keys():
            field, bound_field = self.fields[name], self[name]
            stored = _text(bound_field.initial)
            if stored == loaded[name]:  # no other person has changed it
                continue
            if not _is_changed(field, loaded[name], bound_field.data):
                data[bound_field.html_name] = stored
                if isinstance(field, forms.BooleanField) and not bound_field.initial:
                    del data[bound_field.html_name]  # browsers do not send an unchecked box
            elif _is_changed(field, stored, bound_field.data):
                both_changed.append(name)
        self.data, self.both_changed = data, tuple(both_changed)

    def clean(self) -> dict[str, Any] | None:
        """Add an error to each field that both have changed."""
        cleaned: dict[str, Any] | None = super().clean()
        for name in self.both_changed:
            text = _(
                "Another person has set this to “%(value)s” meanwhile. Save again to replace it."
            )
            self.add_error(name, text % {"value": self._stored_label(name)})
        return cleaned

    def changed(self) -> dict[str, Any]:
        """Return the values of a valid form that differ from the stored ones."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    @property
    def seen(self) -> SafeString:
        """The hidden input with the values that the page is loaded with."""
        values = {name: _text(self[name].initial) for name in self.fields}
        text = '<input type="hidden" name="{}" value="{}">'
        return format_html(text, self.add_prefix("seen"), json.dumps(values))

    def _loaded_values(self) -> dict[str, str]:
        """Return the values that the page was loaded with; none if they cannot be read."""
        try:
            values = json.loads(self.data.get(self.add_prefix("seen"), "{}"))
        except (ValueError, RecursionError):
            return {}
        if not isinstance(values, dict):
            return {}
        return {name: value for name, value in values.items() if isinstance(value, str)}

    def _stored_label(self, name: str) -> str:
        """Return the stored value as the page shows it: of a choice, its label."""
        stored = _text(self[name].initial)
        return str(dict(getattr(self.fields[name], "choices", ())).get(stored, stored))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _is_changed(field: forms.Field, before: str, sent: object) -> bool:
    try:
        return field.has_changed(field.to_python(before), sent)
    except forms.ValidationError:
        return True
