"""The segment form: up to eight conditions in plain fields, so that it works without JavaScript."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.formats import get_format, sanitize_separators
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.groups.models import AppGroup
from audiencesync.people import filters
from audiencesync.people.filters import CUSTOM, FIELDS, NO_VALUE, Condition, FilterError, Group
from audiencesync.people.models import Profile, Segment

ROWS, FEWEST_ROWS = 8, 3
LONGEST_VALUE = 4000
MATCHES = [("all", gettext_lazy("all of these conditions")), ("any", gettext_lazy("any of these conditions"))]


class ProfileSearch(forms.Form):
    """Whom the list of profiles shows."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=320,
        help_text=gettext_lazy("The beginning of an external ID, or a whole alias, e-mail address or phone number."),
    )


class SegmentForm(forms.Form):
    """A name and conditions. A filter that is nested, or longer than the form, keeps as it is: ``is_fixed``."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    match = forms.ChoiceField(label=gettext_lazy("People match"), choices=MATCHES, initial="all")
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1, initial=0)

    def __init__(self, data: Any = None, *, app_group: AppGroup, segment: Segment | None = None) -> None:
        rows = _rows_of(segment.filter) if segment else []
        self.is_fixed = rows is None
        self.app_group, self.segment = app_group, segment
        initial = {} if segment is None else {"name": segment.name, "version": segment.version, **_initial(segment)}
        super().__init__(data, initial=initial)
        if self.is_fixed:
            del self.fields["match"]
            return
        for i in range(ROWS):
            self.fields[f"field_{i}"] = _row_field(_("Field"), i, list="segment-fields", maxlength=80)
            self.fields[f"op_{i}"] = forms.ChoiceField(
                label=_label(_("Comparison"), i), choices=list(filters.OPS.items()), required=False
            )
            self.fields[f"value_{i}"] = _row_field(_("Value"), i, maxlength=LONGEST_VALUE)

    def rows(self) -> Iterator[tuple[BoundField, BoundField, BoundField]]:
        """The rows to show: those in use, and one more."""
        if self.is_fixed:
            return
        used = [i for i in range(ROWS) if self[f"field_{i}"].value() or self[f"value_{i}"].value()]
        for i in range(min(ROWS, max(FEWEST_ROWS, (used or [-1])[-1] + 2))):
            yield self[f"field_{i}"], self[f"op_{i}"], self[f"value_{i}"]

    def clean_name(self) -> str:
        """One spelling of the same letters; unique in the group, whatever the case."""
        name = unicodedata.normalize("NFC", self.cleaned_data["name"])
        others = Segment.objects.filter(app_group=self.app_group, name__iexact=name)
        if self.segment:
            others = others.exclude(pk=self.segment.pk)
        if others.exists():
            raise forms.ValidationError(name_taken())
        return name

    def clean(self) -> dict[str, Any]:
        """The conditions become a filter: ``chosen``."""
        cleaned = super().clean() or {}
        if self.is_fixed and self.segment:
            cleaned["chosen"] = self.segment.filter
            return cleaned
        parts = [part for part in map(self._part, range(ROWS)) if part]
        if not self.errors:
            cleaned["chosen"] = {cleaned["match"]: parts} if parts else {}
        return cleaned

    def _part(self, i: int) -> dict[str, Any] | None:
        """One row as a condition; None if it is empty or wrong."""
        field, op, typed = (str(self.cleaned_data.get(f"{name}_{i}") or "") for name in ("field", "op", "value"))
        if not field and not typed:
            return None
        if not field:
            self.add_error(f"field_{i}", _("Choose a field, or clear the value."))
            return None
        part: dict[str, Any] = {"field": _field_name(field), "op": op}
        if op not in NO_VALUE:
            part["value"] = _typed(op, part["field"], typed)
        elif typed:
            self.add_error(f"value_{i}", _("This comparison takes no value."))
        try:
            filters.parse(part)
        except FilterError as error:
            self.add_error(f"{error.path.partition('[')[0] or 'field'}_{i}", error.message)
            return None
        if self.app_group.hash_only and part["field"] == "email" and op == "contains":
            self._check_whole(i, typed)
        return part

    def _check_whole(self, i: int, typed: str) -> None:
        """Where only hashes are stored, a part of an address would find nobody and not say why."""
        if filters.whole_email(typed) is None:
            words = _("This group stores hashes only: people are found by a whole e-mail address, not by a part of it.")
            self.add_error(f"value_{i}", words)


def name_taken() -> str:
    """Said when a name is not free, whoever finds out."""
    return _("There is a segment of this name already.")


def field_choices(app_group: AppGroup) -> list[tuple[str, str]]:
    """What the field of a condition suggests: (name, words). Custom attributes are those of the newest people."""
    newest = Profile.objects.filter(app_group=app_group).order_by("-pk").values_list("attributes", flat=True)[:100]
    names = sorted({name for known in newest if isinstance(known, dict) for name in known})
    custom = [(_shown_field(CUSTOM + name), _("custom attribute")) for name in names if filters.ops_of(CUSTOM + name)]
    return [(name, str(label)) for name, (label, _ops) in FIELDS.items()] + custom[:200]


def _label(word: str, i: int) -> str:
    return f"{word} {i + 1}"


def _row_field(word: str, i: int, **attrs: Any) -> forms.CharField:
    widget = forms.TextInput({"autocomplete": "off", "placeholder": word, **attrs})
    return forms.CharField(label=_label(word, i), required=False, max_length=attrs["maxlength"], widget=widget)


def _field_name(typed: str) -> str:
    """What a marketer typed -> a field: its name, its words, or a custom attribute."""
    by_words = {str(label).casefold(): name for name, (label, _ops) in FIELDS.items()}
    name = by_words.get(typed.casefold(), typed)
    return name if name in FIELDS or name.startswith(CUSTOM) else CUSTOM + name


def _shown_field(name: str) -> str:
    short = name.removeprefix(CUSTOM)
    return short if name.startswith(CUSTOM) and _field_name(short) == name else name


def _typed(op: str, field: str, text: str) -> Any:
    """The text of a value field -> the value of a condition."""
    if op == "in":
        return [part.strip() for part in text.split(",") if part.strip()]
    if op in ("greater", "less") and field.startswith(CUSTOM):
        try:
            number = float(str(sanitize_separators(text)))
        except ValueError:
            return text
        return int(number) if number.is_integer() else number
    return text


def _shown_value(value: Any) -> str:
    """A value of a condition as the form would read it."""
    if isinstance(value, tuple):
        return ", ".join(map(_shown_value, value))
    return value if isinstance(value, str) else str(value).replace(".", get_format("DECIMAL_SEPARATOR"))


def _rows_of(raw: Any) -> list[Condition] | None:
    """The conditions of a flat filter that fits the form; None for any other."""
    try:
        tree = filters.read(raw)
    except FilterError:
        return None
    parts = [tree] if isinstance(tree, Condition) else list(tree.parts)
    rows = [part for part in parts if isinstance(part, Condition) and _fits(part)]
    return rows if len(rows) == len(parts) <= ROWS else None


def _fits(part: Condition) -> bool:
    if isinstance(part.value, tuple):
        commas = any("," in one for one in part.value if isinstance(one, str))
        return not commas and len(_shown_value(part.value)) <= LONGEST_VALUE
    return True


def _initial(segment: Segment) -> dict[str, Any]:
    tree = filters.read(segment.filter) if (rows := _rows_of(segment.filter)) is not None else filters.EVERYBODY
    initial: dict[str, Any] = {"match": tree.match if isinstance(tree, Group) else "all"}
    for i, row in enumerate(rows or []):
        shown = "" if row.value is None else _shown_value(row.value)
        initial |= {f"field_{i}": _shown_field(row.field), f"op_{i}": row.op, f"value_{i}": shown}
    return initial
