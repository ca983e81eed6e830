"""The segment form: up to eight conditions in plain fields, usable without JavaScript."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from django import forms
from django.forms import BoundField
from django.utils.formats import get_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from audiencesync.people.models.imports import Import
from audiencesync.people.segments import catalogue, conditions, filters
from audiencesync.people.segments.filters import (
    CUSTOM,
    FIELDS,
    NO_VALUE,
    Condition,
    FilterError,
    Group,
)

ROWS, FEWEST_ROWS = 8, 3
LONGEST_VALUE = 4000
LONGEST_FIELD = len(CUSTOM) + filters.LONGEST_NAME
MOST_FIELDS = 1000
TYPE_WORDS = {
    "text": gettext_lazy("text"),
    "number": gettext_lazy("number"),
    "boolean": gettext_lazy("yes or no"),
    "list": gettext_lazy("list"),
    "object": gettext_lazy("object"),
}
MATCHES = [
    ("all", gettext_lazy("all of these conditions")),
    ("any", gettext_lazy("any of these conditions")),
]


class ProfileSearch(forms.Form):
    """The search of the list of profiles."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=320,
        help_text=gettext_lazy(
            "A name, a part of an e-mail address, the beginning of an external ID,"
            " or a whole alias or phone number."
            " Viewers search by whole addresses."
        ),
    )


class SegmentForm(forms.Form):
    """Name and conditions. A nested filter, or one longer than the form, is kept: ``is_fixed``."""

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=500, required=False)
    match = forms.ChoiceField(label=gettext_lazy("People match"), choices=MATCHES, initial="all")
    anyway = forms.BooleanField(
        label=gettext_lazy("Save it although these conditions find no person today"), required=False
    )
    version = forms.IntegerField(
        widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1, initial=0
    )

    def __init__(
        self, data: Any = None, *, app_group: AppGroup, segment: Segment | None = None
    ) -> None:
        rows = _rows_of(segment.filter) if segment else []
        self.is_fixed = rows is None
        self.app_group, self.segment = app_group, segment
        initial = {} if segment is None else _initial(segment)
        super().__init__(data, initial=initial)
        self.is_in_doubt = False  # a condition can match no profile: saving requires ``anyway``
        if self.is_fixed:
            del self.fields["match"], self.fields["anyway"]
            return
        for i in range(ROWS):
            self.fields[f"field_{i}"] = _row_field(
                _("Field"), i, list="segment-fields", maxlength=LONGEST_FIELD
            )
            self.fields[f"op_{i}"] = forms.ChoiceField(
                label=_label(_("Comparison"), i), choices=list(filters.OPS.items()), required=False
            )
            self.fields[f"value_{i}"] = _row_field(_("Value"), i, maxlength=LONGEST_VALUE)

    def rows(self) -> Iterator[tuple[BoundField, BoundField, BoundField]]:
        """Yield the rows in use, and one more."""
        if self.is_fixed:
            return
        used = [i for i in range(ROWS) if self[f"field_{i}"].value() or self[f"value_{i}"].value()]
        for i in range(min(ROWS, max(FEWEST_ROWS, (used or [-1])[-1] + 2))):
            yield self[f"field_{i}"], self[f"op_{i}"], self[f"value_{i}"]

    def clean_name(self) -> str:
        """Normalise the letters; the name must be unique in the group, whatever its case."""
        name = unicodedata.normalize("NFC", self.cleaned_data["name"])
        others = Segment.objects.filter(app_group=self.app_group, name__iexact=name)
        if self.segment:
            others = others.exclude(pk=self.segment.pk)
        if others.exists():
            raise forms.ValidationError(name_taken())
        return name

    def clean(self) -> dict[str, Any]:
        """Turn the conditions into a filter: ``chosen``."""
        cleaned = super().clean() or {}
        if self.is_fixed and self.segment:
            cleaned["chosen"] = self.segment.filter
            return cleaned
        self._types, self._stored = (
            self._known_types(),
            _rows_of(self.segment.filter if self.segment else {}) or [],
        )
        parts = [part for part in map(self._part, range(ROWS)) if part]
        if not self.errors:
            cleaned["chosen"] = {cleaned["match"]: parts} if parts else {}
        return cleaned

    def _part(self, i: int) -> dict[str, Any] | None:
        """Return one row as a condition; None if it is empty or wrong."""
        field, op, typed = (
            str(self.cleaned_data.get(f"{name}_{i}") or "") for name in ("field", "op", "value")
        )
        if not field and not typed:
            return None
        if not field:
            self.add_error(f"field_{i}", _("Choose a field, or clear the value."))
            return None
        part: dict[str, Any] = {"field": self._named(field), "op": op}
        if op not in NO_VALUE:
            part["value"] = self._typed(i, part, typed)
        elif typed:
            self.add_error(f"value_{i}", _("This comparison takes no value."))
        try:
            filters.parse(part)
        except FilterError as error:
            self.add_error(f"{error.path.partition('[')[0] or 'field'}_{i}", error.message)
            return None
        if part["field"] == "email" and op == "contains":
            self._hide_whole(i, part, typed)
        if part["field"] == "import":
            self._check_imports(i, part)
        self._check_codes(i, part)
        self._check_types(i, part)
        return part

    def _known_types(self) -> catalogue.Types | None:
        """Return the attributes of the group; read again if a condition names an unknown one."""
        named = {
            _field_name(str(self.cleaned_data.get(f"field_{i}") or "")) for i in range(ROWS)
        } - {CUSTOM}
        custom = {name.removeprefix(CUSTOM) for name in named if name.startswith(CUSTOM)}
        if not custom:
            return None
        known = catalogue.types(self.app_group)
        return (
            known
            if known is None or custom <= known.keys()
            else catalogue.types(self.app_group, is_fresh=True)
        )

    def _named(self, typed: str) -> str:
        name = _field_name(typed)
        if not name.startswith(CUSTOM):
            return name
        return CUSTOM + conditions.name_as_stored(name.removeprefix(CUSTOM), self._types)

    def _typed(self, i: int, part: dict[str, Any], text: str) -> Any:
        """Return the value of a condition from the text of a value field."""
        field, op = part["field"], part["op"]
        if op in filters.RELATIVE:
            return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else text
        if op in ("greater", "less"):
            return (
                conditions.amount(text)
                if field.startswith(CUSTOM)
                else conditions.day(text) or text
            )
        if not field.startswith(CUSTOM) or op not in ("is", "is_not", "in"):
            return conditions.listed(text) if op == "in" else text
        kinds = (self._types or {}).get(field.removeprefix(CUSTOM), set())
        if op != "in":
            return conditions.same(text, kinds)
        if words := conditions.unclear_list(text, kinds):
            self.add_error(f"value_{i}", words)
        return [conditions.same(one, kinds) for one in conditions.listed(text)]

    def _check_codes(self, i: int, part: dict[str, Any]) -> None:
        """Report an unknown country or language at the value, unless saved ``anyway``."""
        words = conditions.unreadable(part["field"], part["op"], part.get("value"))
        if words and not self.cleaned_data.get("anyway") and filters.read(part) not in self._stored:
            self.is_in_doubt = True
            self.add_error(f"value_{i}", words)

    def _check_types(self, i: int, part: dict[str, Any]) -> None:
        """Report a condition that can match no profile at the field, unless saved ``anyway``."""
        if (
            not self._types
            or not part["field"].startswith(CUSTOM)
            or self.cleaned_data.get("anyway")
        ):
            return  # a group without people yet: nothing can be said
        if filters.read(part) in self._stored:
            return
        if words := conditions.unknown_name(part["field"].removeprefix(CUSTOM), self._types):
            self.is_in_doubt = True
            self.add_error(f"field_{i}", words)
        elif words := conditions.impossible(
            part["field"], part["op"], part.get("value"), self._types
        ):
            self.is_in_doubt = True
            self.add_error(f"op_{i}", words)
        elif (words := conditions.odd_day(part.get("value"))) and self._holds_days(part):
            self.is_in_doubt = True
            self.add_error(f"value_{i}", words)
        elif part["op"] in ("greater", "less") and isinstance(part["value"], str):
            self._check_days(i, part)

    def _holds_days(self, part: dict[str, Any]) -> bool:
        return catalogue.holds_days(self.app_group, part["field"].removeprefix(CUSTOM))

    def _check_days(self, i: int, part: dict[str, Any]) -> None:
        """Report a comparison with a day if the attribute holds none: it would never match."""
        if not self._holds_days(part):
            self.is_in_doubt = True
            self.add_error(
                f"op_{i}",
                _("“%(name)s” holds no dates.") % {"name": part["field"].removeprefix(CUSTOM)},
            )

    def _check_imports(self, i: int, part: dict[str, Any]) -> None:
        """Report an unknown import, or one of another group, which would match no profile."""
        numbers = {
            int(one)
            for one in (part["value"] if isinstance(part["value"], list) else [part["value"]])
        }
        mine = set(
            Import.objects.filter(app_group=self.app_group, pk__in=numbers).values_list(
                "pk", flat=True
            )
        )
        if missing := sorted(numbers - mine):
            self.add_error(f"value_{i}", _("There is no import number %(n)d.") % {"n": missing[0]})

    def _hide_whole(self, i: int, part: dict[str, Any], typed: str) -> None:
        """Replace a whole address by its hash, which finds the same profile."""
        digest = filters.whole_email(typed)
        if digest is not None:
            part["value"] = f"sha256:{digest.hex()}"
        elif self.app_group.hash_only:
            self._check_whole(i, typed)

    def _check_whole(self, i: int, typed: str) -> None:
        """Report a part of an address in a hash-only group, where it would never match."""
        words = _(
            "This group stores hashes only:"
            " people are found by a whole e-mail address, not by a part of it."
        )
        self.add_error(f"value_{i}", words)


def name_taken() -> str:
    """Return the error for a name in use, found by a form or by the database."""
    return _("There is a segment of this name already.")


def field_choices(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return the suggestions for a field: (name, words), attributes with types and an example."""
    shown = catalogue.examples(app_group)
    known = catalogue.types(app_group) or {name: set() for name in shown}
    names = sorted(name for name in known if filters.ops_of(CUSTOM + name))[:MOST_FIELDS]
    custom = [
        (_shown_field(CUSTOM + name), _field_words(known[name], shown.get(name, "")))
        for name in names
    ]
    return [(name, str(label)) for name, (label, _ops) in FIELDS.items()] + custom


def _field_words(types: set[str], example: str) -> str:
    words = ", ".join(str(TYPE_WORDS[one]) for one in sorted(types)) or _("custom attribute")
    return (
        _("%(type)s, for example %(value)s") % {"type": words, "value": example}
        if example
        else words
    )


def _label(word: str, i: int) -> str:
    return f"{word} {i + 1}"


def _row_field(word: str, i: int, **attrs: Any) -> forms.CharField:
    widget = forms.TextInput({"autocomplete": "off", "placeholder": word, **attrs})
    return forms.CharField(
        label=_label(word, i), required=False, max_length=attrs["maxlength"], widget=widget
    )


def _field_name(typed: str) -> str:
    """Return the field for typed text: by name, by words, or as a custom attribute."""
    by_words = {str(label).casefold(): name for name, (label, _ops) in FIELDS.items()}
    name = by_words.get(typed.casefold(), typed)
    return name if name in FIELDS or name.startswith(CUSTOM) else CUSTOM + name


def _shown_field(name: str) -> str:
    short = name.removeprefix(CUSTOM)
    return short if name.startswith(CUSTOM) and _field_name(short) == name else name


def _shown_value(value: Any) -> str:
    """Return a value of a condition as the form would read it."""
    if isinstance(value, tuple):
        shown = list(map(_shown_value, value))
        return (
            ", ".join(shown)
            if not any("," in one for one in shown)
            else "; ".join(shown) + ";" * (len(shown) == 1)
        )
    return (
        value
        if isinstance(value, str)
        else str(value).replace(".", get_format("DECIMAL_SEPARATOR"))
    )


def _rows_of(raw: Any) -> list[Condition] | None:
    """Return the conditions of a flat filter that fits the form; None for any other."""
    try:
        tree = filters.read(raw)
    except FilterError:
        return None
    parts = tree.parts if isinstance(tree, Group) else [tree]
    rows = [part for part in parts if isinstance(part, Condition) and _fits(part)]
    is_flat = len(rows) == len(parts) <= ROWS and getattr(tree, "match", "all") != "none"
    return rows if is_flat else None


def _fits(part: Condition) -> bool:
    if isinstance(part.value, tuple):
        semicolons = any(";" in one for one in part.value if isinstance(one, str))
        return not semicolons and len(_shown_value(part.value)) <= LONGEST_VALUE
    return True


def _initial(segment: Segment) -> dict[str, Any]:
    tree = (
        filters.read(segment.filter)
        if (rows := _rows_of(segment.filter)) is not None
        else filters.EVERYBODY
    )
    initial: dict[str, Any] = {"match": tree.match if isinstance(tree, Group) else "all"}
    initial |= {
        "name": segment.name,
        "description": segment.description,
        "version": segment.version,
    }
    for i, row in enumerate(rows or []):
        shown = "" if row.value is None else _shown_value(row.value)
        initial |= {f"field_{i}": _shown_field(row.field), f"op_{i}": row.op, f"value_{i}": shown}
    return initial
