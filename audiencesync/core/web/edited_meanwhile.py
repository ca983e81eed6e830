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

    both_changed: tuple[str, ...] = ()

    def keep_others(self) -> None:
        """Put what others have stored into the sent data; call it at the end of ``__init__``."""
        seen = self._sent() if self.is_bound else {}
        sent: Any = self.data
        data, both = sent.copy(), []
        for name in self.fields.keys() & seen.keys():
            field, bound = self.fields[name], self[name]
            stored = _text(bound.initial)
            if stored == seen[name]:
                continue
            if not _is_changed(field, seen[name], bound.data):
                data[bound.html_name] = stored
                if isinstance(field, forms.BooleanField) and not bound.initial:
                    del data[bound.html_name]  # as a browser sends an empty box
            elif _is_changed(field, stored, bound.data):
                both.append(name)
        self.data, self.both_changed = data, tuple(both)

    def clean(self) -> dict[str, Any] | None:
        """Add an error to each field that both have changed."""
        cleaned: dict[str, Any] | None = super().clean()
        for name in self.both_changed:
            text = _(
                "Another person has set this to “%(value)s” meanwhile. Save again to replace it."
            )
            self.add_error(name, text % {"value": self._shown(name)})
        return cleaned

    def changed(self) -> dict[str, Any]:
        """Return the values of a valid form that differ from the stored ones."""
        return {name: self.cleaned_data[name] for name in self.changed_data}

    @property
    def seen(self) -> SafeString:
        """The hidden input with the stored values."""
        values = {name: _text(self[name].initial) for name in self.fields}
        text = '<input type="hidden" name="{}" value="{}">'
        return format_html(text, self.add_prefix("seen"), json.dumps(values))

    def _sent(self) -> dict[str, str]:
        """Return the values that the page was loaded with; none if they cannot be read."""
        try:
            found = json.loads(self.data.get(self.add_prefix("seen"), "{}"))
        except (ValueError, RecursionError):
            return {}
        values = found if isinstance(found, dict) else {}
        return {name: value for name, value in values.items() if isinstance(value, str)}

    def _shown(self, name: str) -> str:
        stored = _text(self[name].initial)
        return str(dict(getattr(self.fields[name], "choices", ())).get(stored, stored))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _is_changed(field: forms.Field, before: str, sent: object) -> bool:
    try:
        return field.has_changed(field.to_python(before), sent)
    except forms.ValidationError:
        return True
