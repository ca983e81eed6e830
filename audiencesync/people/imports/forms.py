"""Forms of an import: the file, its layout, the meaning of its columns."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.forms import BoundField
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from audiencesync.groups.models import AppGroup
from audiencesync.people.imports import cells, column_guess, mapping, uploads
from audiencesync.people.imports.csv_reader import MOST_BYTES, MOST_COLUMNS, Layout
from audiencesync.people.imports.mapping import AS_EXPORTED, ATTRIBUTES, FIELDS, KEYS, Column, Plan
from audiencesync.people.models import Segment
from audiencesync.people.segments import filters
from audiencesync.people.segments.builder.form import name_taken

ENCODINGS = [
    ("utf-8", "UTF-8"),
    ("utf-16-le", "UTF-16 LE"),
    ("utf-16-be", "UTF-16 BE"),
    ("cp1252", gettext_lazy("Western European (Windows-1252)")),
    ("iso-8859-15", gettext_lazy("Western European (ISO 8859-15)")),
    ("cp1250", gettext_lazy("Central European (Windows-1250)")),
    ("cp1251", gettext_lazy("Cyrillic (Windows-1251)")),
    ("cp1253", gettext_lazy("Greek (Windows-1253)")),
    ("cp1254", gettext_lazy("Turkish (Windows-1254)")),
    ("mac-roman", gettext_lazy("Western European (Mac)")),
    ("cp850", gettext_lazy("Western European (DOS 850)")),
    ("iso-8859-2", gettext_lazy("Central European (ISO 8859-2)")),
    ("koi8-r", gettext_lazy("Cyrillic (KOI8-R)")),
    ("cp866", gettext_lazy("Cyrillic (DOS 866)")),
    ("cp932", gettext_lazy("Japanese (Shift-JIS)")),
    ("euc_jp", gettext_lazy("Japanese (EUC-JP)")),
    ("gbk", gettext_lazy("Chinese (GBK)")),
    ("big5", gettext_lazy("Chinese (Big5)")),
    ("cp949", gettext_lazy("Korean (EUC-KR)")),
]
DELIMITERS = [
    ("comma", gettext_lazy("comma ,")),
    ("semicolon", gettext_lazy("semicolon ;")),
    ("tab", pgettext_lazy("the character", "tab")),
    ("bar", gettext_lazy("vertical bar |")),
]
HEADERS = [("1", gettext_lazy("names of columns")), ("0", gettext_lazy("a person"))]


class UploadForm(forms.Form):
    """A CSV file."""

    file = forms.FileField(
        label=gettext_lazy("CSV file"),
        allow_empty_file=True,
        widget=forms.FileInput(
            {"accept": ".csv,.tsv,.txt,text/csv,text/plain,text/tab-separated-values"}
        ),
    )

    refused = ""  # why the bytes were not stored: see uploads.Full

    def why_refused(self) -> str:
        """Return why there is no room for a file."""
        if self.refused == "disk":
            return _(
                "The disk of this installation has no room for this file."
                " Please tell who operates it."
            )
        return _("Too many files wait to be imported. Start or discard some of them first.")

    def _clean_fields(self) -> None:
        if self.refused:  # there is no file then, and "This field is required" would be wrong
            self.cleaned_data = {}
            self.add_error("file", self.why_refused())
        else:
            super()._clean_fields()  # type: ignore[misc]  # Django's own

    def clean_file(self) -> UploadedFile:
        """Reject an empty file, a too big one and an archive."""
        file: UploadedFile = self.cleaned_data["file"]
        if not file.size:
            raise forms.ValidationError(_("This file is empty."))
        if file.size > MOST_BYTES:
            raise forms.ValidationError(
                _("This file is too big: at most 500 MB can be imported at once.")
            )
        beginning = file.read(16)
        file.seek(0)
        if uploads.is_archive(beginning):
            raise forms.ValidationError(
                _(
                    "This is an archive or an Excel file, whatever its name says."
                    " Please save it as CSV first."
                )
            )
        if beginning.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            raise forms.ValidationError(_("This file is UTF-32. Please save it as UTF-8 first."))
        return file


class LayoutForm(forms.Form):
    """The layout of the file, as detected or as chosen."""

    encoding = forms.ChoiceField(label=gettext_lazy("Encoding"), choices=ENCODINGS)
    delimiter = forms.ChoiceField(label=gettext_lazy("Cells are separated by"), choices=DELIMITERS)
    header = forms.ChoiceField(label=gettext_lazy("The first row holds"), choices=HEADERS)

    def layout(self) -> Layout:
        """Return the chosen layout."""
        data = self.cleaned_data
        return Layout(data["encoding"], data["delimiter"], data["header"] == "1")


def too_many_columns_error(n: int) -> str:
    """Return the error for ``n`` columns; empty if so many are allowed."""
    if n <= MOST_COLUMNS:
        return ""
    text = _(
        "This file has %(n)d columns; at most %(most)d can be imported."
        " Is the separator the right one?"
    )
    return text % {"n": n, "most": MOST_COLUMNS}


def layout_values(layout: Layout) -> dict[str, str]:
    """Return a layout as values of LayoutForm."""
    return {
        "encoding": layout.encoding,
        "delimiter": layout.delimiter,
        "header": "1" if layout.has_header else "0",
    }


class MappingForm(forms.Form):
    """The target of each column, and the key that finds people."""

    key = forms.ChoiceField(
        label=gettext_lazy("People are found by"),
        choices=[(key, FIELDS[key]) for key in KEYS],
        initial="external_id",
    )
    alias_label = forms.CharField(
        label=gettext_lazy("Label of the alias"),
        required=False,
        max_length=255,
        help_text=gettext_lazy("Only if people are found by an alias, such as “crm”."),
    )
    segment_name = forms.CharField(
        label=gettext_lazy("Make a segment of the imported people"),
        required=False,
        max_length=80,
        help_text=gettext_lazy("Its name; leave it empty for none. It can also be made later."),
    )

    def __init__(
        self, data: Any = None, *, app_group: AppGroup, columns: tuple[Column, ...], layout: Layout
    ) -> None:
        self.app_group, self.columns, self.layout = app_group, columns, layout
        super().__init__(data, initial={"key": _likely_key(columns)})
        for i, column in enumerate(columns):
            params = {"n": i + 1, "header": column.header[:40]}
            self.fields[f"target_{i}"] = forms.ChoiceField(
                label=_("Column %(n)d, %(header)s, becomes") % params,
                choices=_target_choices(app_group, column),
                required=False,
                initial=column.target,
            )
            self.fields[f"name_{i}"] = forms.CharField(
                label=_("Column %(n)d, %(header)s: name of the attribute") % params,
                required=False,
                max_length=cells.LONGEST_NAME,
                strip=False,
                initial=column.name,
            )

    def rows(self) -> Iterator[tuple[Column, BoundField, BoundField]]:
        """Yield the columns with their two fields."""
        for i, column in enumerate(self.columns):
            yield column, self[f"target_{i}"], self[f"name_{i}"]

    def clean_segment_name(self) -> str:
        """Reject a name that is in use."""
        name = unicodedata.normalize("NFC", self.cleaned_data["segment_name"])
        if name and Segment.objects.filter(app_group=self.app_group, name__iexact=name).exists():
            raise forms.ValidationError(name_taken())
        return name

    def clean(self) -> dict[str, Any]:
        """Check that each target is used once, and the key is among them."""
        cleaned = super().clean() or {}
        taken: set[str] = set()
        for i in range(len(self.columns)):
            self._clean_column(i, cleaned, taken)
        key = cleaned.get("key", "")
        if key and key not in taken:
            params = {"field": FIELDS[key]}
            self.add_error("key", _("No column becomes “%(field)s”. Choose one below.") % params)
        if key == "alias" and not cleaned.get("alias_label"):
            self.add_error("alias_label", _("This needs a label such as “crm”."))
        return cleaned

    def _clean_column(self, i: int, cleaned: dict[str, Any], taken: set[str]) -> None:
        """Check one column: its field or attribute must be free."""
        target = cleaned.get(f"target_{i}", "")
        name = cleaned[f"name_{i}"] = self._name(i, cleaned.get(f"name_{i}", ""))
        if not target:
            return
        taken_key = target if target in FIELDS or target == "rest" else filters.CUSTOM + name
        if taken_key.startswith(filters.CUSTOM) and not cells.is_attribute_name(name):
            self.add_error(f"name_{i}", _("This needs a name of 1 to 255 characters."))
        elif (
            taken_key.startswith(filters.CUSTOM)
            and self.app_group.hash_only
            and column_guess.is_contact_name(name)
        ):
            self.add_error(
                f"target_{i}",
                _("This group stores only hashes: an address cannot be an attribute."),
            )
        elif taken_key in taken:
            self.add_error(f"target_{i}", _("Another column becomes the same already."))
        elif target in ("alias", "external_id") and cleaned.get("key", target) != target:
            self.add_error(
                f"target_{i}",
                _("This can only be what people are found by. Leave it out otherwise."),
            )
        taken.add(taken_key)

    def _name(self, i: int, submitted: str) -> str:
        """Return an attribute's name; the suggested one if only spaces differ.

        Browsers drop line breaks of the suggestion when they submit it.
        """
        suggested = self.columns[i].name
        return (
            suggested
            if "".join(submitted.split()) == "".join(suggested.split())
            else submitted.strip()
        )

    def plan(self) -> Plan:
        """Return the chosen plan."""
        data = self.cleaned_data
        columns = tuple(
            Column(column.header, data[f"target_{i}"], data[f"name_{i}"], column.style)
            for i, column in enumerate(self.columns)
        )
        return Plan(
            self.layout, columns, data["key"], data["alias_label"] if data["key"] == "alias" else ""
        )


class SegmentNameForm(forms.Form):
    """A name for the segment of the imported people."""

    name = forms.CharField(label=gettext_lazy("Name of the segment"), max_length=80)


def _target_choices(app_group: AppGroup, column: Column) -> list[tuple[str, Any]]:
    """Return the targets of a column: not the consent field if an attribute decides consent.

    Columns of our own export can also be taken as they are.
    """
    as_exported = AS_EXPORTED if column.style == cells.EXACT else {}
    decided_elsewhere = "ads_consent" if app_group.consent_attribute else ""
    return [
        ("", _("Leave out")),
        (
            _("Fields"),
            [(name, label) for name, label in FIELDS.items() if name != decided_elsewhere],
        ),
        (_("Attributes"), [*as_exported.items(), *ATTRIBUTES.items()]),
    ]


def _likely_key(columns: tuple[Column, ...]) -> str:
    """Return the first key that a column holds."""
    targets = {column.target for column in columns}
    return next((key for key in mapping.KEYS if key in targets), "external_id")
