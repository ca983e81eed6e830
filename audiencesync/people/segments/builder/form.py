"""The segment form: a name, a description, and the conditions of the builder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from django import forms
from django.conf import settings
from django.forms import BoundField
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from audiencesync.people.segments import catalogue
from audiencesync.people.segments.builder import controls, draft, typed
from audiencesync.people.segments.builder.draft import MAX_GROUP_LEVELS, PROPERTY_CONTROLS, Draft
from audiencesync.people.segments.builder.shown import parts_of, tree_or_none
from audiencesync.people.segments.nodes import (
    CUSTOM,
    MAX_WHERE,
    EventCondition,
    FilterError,
    leaves,
)
from audiencesync.people.segments.reader import read

COMMON_FIELDS = ("name", "description", "version", "anyway", "confirmed")


class SegmentForm(forms.Form):
    """Name and conditions. A filter that the builder cannot show is kept: ``is_fixed``.

    ``data``: the submitted fields, to be checked. ``typed``: submitted fields to be shown again
    unchecked, with the tree ``root``, after a button of the builder: then ``is_drawn``.
    """

    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=500, required=False)
    anyway = forms.BooleanField(
        label=gettext_lazy("Save it although these conditions find no person today"), required=False
    )
    version = forms.IntegerField(
        widget=forms.HiddenInput, min_value=0, max_value=2**31 - 1, initial=0
    )

    def __init__(
        self,
        data: Any = None,
        *,
        app_group: AppGroup,
        segment: Segment | None = None,
        typed: Mapping[str, str] | None = None,
        root: Draft | None = None,
    ) -> None:
        self.app_group, self.segment = app_group, segment
        stored = tree_or_none(segment.filter) if segment else draft.new_tree()
        self.is_fixed = stored is None
        self.is_drawn = typed is not None
        self.is_in_doubt = False  # a condition finds no person today
        # A place is the path of a group or condition in the tree. Place -> its filter:
        self.parts = (
            {} if segment is None or data is not None or typed else parts_of(segment.filter)
        )
        self.counts: Mapping[str, int] = {}  # place -> number of people
        self.reasons: Mapping[str, str] = {}  # place -> why it finds no one
        self.root = root or (
            draft.from_data(data) if data is not None else stored or draft.new_tree()
        )
        initial = draft.data(self.root) | dict(_common_values(segment) if typed is None else typed)
        super().__init__(data, initial=initial)
        if self.is_fixed:
            del self.fields["anyway"]
        else:
            self.offers = controls.offers(app_group, segment)
            self.fields |= controls.fields(self.root, self.offers)

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
        """Turn the conditions into a filter: ``raw_filter``."""
        cleaned = super().clean() or {}
        if self.is_fixed and self.segment:
            cleaned["raw_filter"] = self.segment.filter
            return cleaned
        self._reading = typed.Reading(
            self.app_group,
            types_for(self.root, self.app_group),
            conditions_in(self.segment.filter) if self.segment else [],
            bool(cleaned.get("anyway")),
            self._add_control_error,
        )
        raw_filter = self._group(self.root)
        self.is_in_doubt = self._reading.is_in_doubt
        if not self.errors:
            cleaned["raw_filter"] = raw_filter if raw_filter and self.root.parts else {}
            self._check_whole(cleaned["raw_filter"])
        return cleaned

    def _group(self, group: Draft) -> dict[str, Any] | None:
        """Return a group as a filter; None if all its conditions are empty."""
        parts = []
        for part in group.parts or []:
            raw_part = self._part(part)
            if raw_part is not None:
                parts.append(raw_part)
                self.parts[part.path] = raw_part
        match = self.cleaned_data.get(f"match-{group.path}") or "all"
        raw_group = {match: parts} if parts else None
        if raw_group:
            self.parts[group.path] = raw_group
        return raw_group

    def _part(self, part: Draft) -> dict[str, Any] | None:
        if part.parts is not None:
            return self._group(part)
        return condition(self, part, self._reading)

    def _check_whole(self, raw_filter: dict[str, Any]) -> None:
        """Report a mistake of the whole filter, such as too many conditions."""
        try:
            read(raw_filter)
        except FilterError as error:
            self._add_control_error("", error.message)

    def _add_control_error(self, control: str, message: str) -> None:
        """Add an error to a control, or to the form if there is none of this name."""
        self.add_error(control if control in self.fields else None, message)

    def report(self, error: FilterError) -> None:
        """Add an error about a reference in the filter to its control, if there is one."""
        # "all[2].any[0].value" -> "value" of "0.2.0"
        place, _dot, name = error.path.rpartition(".")
        path = draft.ROOT + "".join(
            f".{part.rpartition('[')[2].rstrip(']')}" for part in place.split(".") if part
        )
        self._add_control_error(f"{name}-{self._place(path)}", error.message)

    def _place(self, path: str) -> str:
        """Translate a path in the filter into a place in the form.

        Empty conditions have a place in the form, but are not in the filter.
        """
        indexes, current = path.split(".")[1:], draft.ROOT
        for i in map(int, indexes):
            filled_places = [place for place in self.parts if place.rpartition(".")[0] == current]
            current = filled_places[i] if i < len(filled_places) else current
        return current

    @property
    def type_marks(self) -> dict[str, str]:
        """Return place -> types in words of the conditions on attributes."""
        rows = [row for row in draft.walk(self.root) if row.parts is None and not self.is_fixed]
        return {
            row.path: controls.type_words(self.shown_types, row.texts.get("field", ""))
            for row in rows
            if row.kind == "attribute"
        }

    @property
    def groups(self) -> set[str]:
        """Return the places of the groups."""
        return {node.path for node in draft.walk(self.root) if node.parts is not None}

    @property
    def typed_filter(self) -> dict[str, Any] | None:
        """Return the filter as it is typed, even if the name is missing; None if it is invalid."""
        is_wrong = bool(self.errors.keys() - {"name", "description", "version"})
        raw_filter: dict[str, Any] | None = self.cleaned_data.get("raw_filter")
        if self.is_fixed or is_wrong:
            return raw_filter
        # If only the name is wrong, `clean` has read the conditions, but set no filter.
        typed_part: dict[str, Any] = self.parts.get(draft.ROOT, {})
        return typed_part

    @cached_property
    def shown_types(self) -> catalogue.Types | None:
        """Return the types of the attributes, for the marks beside the conditions."""
        return None if self.is_fixed else self.offers.types

    @cached_property
    def tree(self) -> View:
        """Return the builder as its template shows it."""
        return view(self, self.root)

    @property
    def too_long_ago(self) -> str:
        """Return a warning if events are asked for that are no longer kept; "" if none are."""
        keep_days = settings.KEEP_DAYS["events"]
        try:
            conditions = list(leaves(read(self.parts.get(draft.ROOT, {}))))
        except FilterError:
            return ""
        longest = max(
            (
                condition.days or 0
                for condition in conditions
                if isinstance(condition, EventCondition)
            ),
            default=0,
        )
        if not keep_days or longest <= keep_days:
            return ""
        text = ngettext(
            "Events are kept for %(n)d day: older ones are not found.",
            "Events are kept for %(n)d days: older ones are not found.",
            int(keep_days),
        )
        return text % {"n": int(keep_days)}


@dataclass
class View:
    """A group or a condition with its controls, for the template."""

    path: str
    n: int | None = None  # people it finds; None: not counted
    reason: str = ""  # why it finds no one
    match: BoundField | None = None
    match_now: str = ""  # the chosen value of ``match``
    parts: list[View] = field(default_factory=list)
    may_nest: bool = False  # the group may contain another group
    icon: str = ""
    type: str = ""  # types of the attribute, in words
    texts: dict[str, BoundField] = field(default_factory=dict)
    where: list[View] = field(default_factory=list)  # properties of an event
    may_have_more: bool = False  # properties

    @property
    def controls(self) -> Iterator[BoundField]:
        """Yield the controls."""
        yield from self.texts.values()

    @property
    def is_event(self) -> bool:
        """Return whether it is a condition on events, which has properties."""
        return "event" in self.texts


def condition(form: forms.Form, row: Draft, reading: typed.Reading) -> dict[str, Any] | None:
    """Return a condition of a form that is being cleaned as a part of a filter.

    None if it is empty or wrong.
    """
    texts = {name: str(form.cleaned_data.get(f"{name}-{row.path}") or "") for name in row.texts}
    where = [
        {
            name: str(form.cleaned_data.get(f"{name}-{row.path}w{i}") or "")
            for name in PROPERTY_CONTROLS
        }
        for i in range(len(row.where))
    ]
    has_errors = any(name.endswith(f"-{row.path}") for name in form.errors)
    cleaned = Draft(texts, where=where, path=row.path)
    return None if has_errors else typed.filter_part(cleaned, reading)


def types_for(root: Draft, app_group: AppGroup) -> catalogue.Types | None:
    """Return the attributes of the group; read again if a condition names an unknown one."""
    names = {
        node.texts.get("field", "").removeprefix(CUSTOM)
        for node in draft.walk(root)
        if node.parts is None and node.kind == "attribute"
    } - {""}
    if not names:
        return None
    types = catalogue.types(app_group)
    if types is None or names <= types.keys():
        return types
    return catalogue.types(app_group, is_fresh=True)


class BuilderForm(Protocol):
    """A form with controls of conditions, and what is shown beside them."""

    fields: dict[str, forms.Field]
    counts: Mapping[str, int]
    reasons: Mapping[str, str]

    def __getitem__(self, name: str) -> BoundField: ...

    @property
    def shown_types(self) -> catalogue.Types | None:
        """Return the types of the attributes."""


def view(form: BuilderForm, node: Draft) -> View:
    """Return a group or a condition as its template shows it."""
    if node.parts is not None:
        match = form[f"match-{node.path}"]
        parts = [view(form, part) for part in node.parts]
        may_nest = node.path.count(".") + 2 <= MAX_GROUP_LEVELS
        return View(
            node.path,
            form.counts.get(node.path),
            match=match,
            match_now=str(match.value() or "all"),
            parts=parts,
            may_nest=may_nest,
        )
    texts = {
        name: form[f"{name}-{node.path}"]
        for name in draft.CONTROLS
        if f"{name}-{node.path}" in form.fields
    }
    is_attribute = node.kind == "attribute"
    types = form.shown_types if is_attribute and node.texts.get("field") else None
    return View(
        node.path,
        form.counts.get(node.path),
        form.reasons.get(node.path, ""),
        texts=texts,
        icon=controls.ICONS.get(node.kind, "filter"),
        type=controls.type_words(types, node.texts.get("field", "")),
        where=[_property(form, f"{node.path}w{i}") for i in range(len(node.where))],
        may_have_more=len(node.where) < MAX_WHERE,
    )


def _property(form: BuilderForm, place: str) -> View:
    texts = {
        name: form[f"{name}-{place}"]
        for name in PROPERTY_CONTROLS
        if f"{name}-{place}" in form.fields
    }
    return View(place, texts=texts)


def name_taken() -> str:
    """Return the error for a name in use, found by a form or by the database."""
    return _("There is a segment of this name already.")


def _common_values(segment: Segment | None) -> dict[str, Any]:
    if segment is None:
        return {}
    return {
        "name": segment.name,
        "description": segment.description,
        "version": segment.version,
    }


def conditions_in(raw: Any) -> list[Any]:
    """Return the conditions of a saved filter; no warning is repeated for these."""
    try:
        return list(leaves(read(raw)))
    except FilterError:
        return []
