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
from audiencesync.people.segments.builder.draft import DEEPEST, OF_PROPERTY, Draft
from audiencesync.people.segments.builder.shown import parts_of, shown
from audiencesync.people.segments.nodes import (
    CUSTOM,
    MAX_WHERE,
    EventCondition,
    FilterError,
    leaves,
)
from audiencesync.people.segments.reader import read

COMMON = ("name", "description", "version", "anyway", "confirmed")


class SegmentForm(forms.Form):
    """Name and conditions. A filter that the builder cannot show is kept: ``is_fixed``.

    ``data``: what was sent, to be checked. ``typed``: what was sent, to be shown again as it is,
    with the tree ``root`` after a button of the builder.
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
        stored = shown(segment.filter) if segment else draft.fresh()
        self.is_fixed = stored is None
        self.is_drawn = typed is not None
        self.is_in_doubt = False
        # Place of a group or condition -> its filter; place -> people.
        self.parts = (
            {} if segment is None or data is not None or typed else parts_of(segment.filter)
        )
        self.counts: Mapping[str, int] = {}
        self.reasons: Mapping[str, str] = {}  # place -> why it finds no one
        self.root = root or (draft.from_data(data) if data is not None else stored or draft.fresh())
        initial = draft.data(self.root) | dict(_common(segment) if typed is None else typed)
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
        """Turn the conditions into a filter: ``chosen``."""
        cleaned = super().clean() or {}
        if self.is_fixed and self.segment:
            cleaned["chosen"] = self.segment.filter
            return cleaned
        self._reading = typed.Reading(
            self.app_group,
            types_for(self.root, self.app_group),
            conditions_in(self.segment.filter) if self.segment else [],
            bool(cleaned.get("anyway")),
            self._report,
        )
        chosen = self._group(self.root)
        self.is_in_doubt = self._reading.is_in_doubt
        if not self.errors:
            cleaned["chosen"] = chosen if chosen and self.root.parts else {}
            self._check_whole(cleaned["chosen"])
        return cleaned

    def _group(self, group: Draft) -> dict[str, Any] | None:
        """Return a group as a filter; None if all its conditions are empty."""
        parts = []
        for one in group.parts or []:
            found = self._part(one)
            if found is not None:
                parts.append(found)
                self.parts[one.path] = found
        match = self.cleaned_data.get(f"match-{group.path}") or "all"
        chosen = {match: parts} if parts else None
        if chosen:
            self.parts[group.path] = chosen
        return chosen

    def _part(self, one: Draft) -> dict[str, Any] | None:
        if one.parts is not None:
            return self._group(one)
        return condition(self, one, self._reading)

    def _check_whole(self, chosen: dict[str, Any]) -> None:
        """Report a mistake of the whole filter, such as too many conditions."""
        try:
            read(chosen)
        except FilterError as error:
            self._report("", error.message)

    def _report(self, control: str, words: str) -> None:
        """Add an error to a control, or to the form if there is none of this name."""
        self.add_error(control if control in self.fields else None, words)

    def report(self, error: FilterError) -> None:
        """Add what is wrong with a reference of the filter, at its control if there is one."""
        place, _dot, name = error.path.rpartition(".")
        path = draft.ROOT + "".join(
            f".{part.rpartition('[')[2].rstrip(']')}" for part in place.split(".") if part
        )
        self._report(f"{name}-{self._place(path)}", error.message)

    def _place(self, path: str) -> str:
        """Return the place of a part of the filter: empty conditions are not in it."""
        at, current = path.split(".")[1:], draft.ROOT
        for i in map(int, at):
            used = [one for one in self.parts if one.rpartition(".")[0] == current]
            current = used[i] if i < len(used) else current
        return current

    @property
    def type_marks(self) -> dict[str, str]:
        """Return place -> types in words of the conditions on attributes."""
        rows = [one for one in draft.walk(self.root) if one.parts is None and not self.is_fixed]
        return {
            one.path: controls.type_words(self.shown_types, one.texts.get("field", ""))
            for one in rows
            if one.kind == "attribute"
        }

    @property
    def groups(self) -> set[str]:
        """Return the places of the groups."""
        return {one.path for one in draft.walk(self.root) if one.parts is not None}

    @property
    def found(self) -> dict[str, Any] | None:
        """Return the filter as it is typed, also while the name is missing; None if it is wrong."""
        is_wrong = bool(self.errors.keys() - {"name", "description", "version"})
        chosen: dict[str, Any] | None = self.cleaned_data.get("chosen")
        if self.is_fixed or is_wrong:
            return chosen
        typed: dict[str, Any] = self.parts.get(draft.ROOT, {})
        return typed

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
        kept = settings.KEEP_DAYS["events"]
        try:
            found = list(leaves(read(self.parts.get(draft.ROOT, {}))))
        except FilterError:
            return ""
        longest = max(
            (one.days or 0 for one in found if isinstance(one, EventCondition)), default=0
        )
        if not kept or longest <= kept:
            return ""
        words = ngettext(
            "Events are kept for %(n)d day: older ones are not found.",
            "Events are kept for %(n)d days: older ones are not found.",
            int(kept),
        )
        return words % {"n": int(kept)}


@dataclass
class View:
    """A group or a condition with its controls, for the template."""

    path: str
    n: int | None = None
    reason: str = ""
    match: BoundField | None = None
    match_now: str = ""
    parts: list[View] = field(default_factory=list)
    may_nest: bool = False
    icon: str = ""
    type: str = ""
    texts: dict[str, BoundField] = field(default_factory=dict)
    where: list[View] = field(default_factory=list)
    may_have_more: bool = False

    @property
    def controls(self) -> Iterator[BoundField]:
        """Yield the controls."""
        yield from self.texts.values()

    @property
    def is_event(self) -> bool:
        """Return whether it is a condition on events, which has properties."""
        return "event" in self.texts


def condition(form: forms.Form, one: Draft, reading: typed.Reading) -> dict[str, Any] | None:
    """Return a condition of a form that is being cleaned as a part of a filter.

    None if it is empty or wrong.
    """
    texts = {name: str(form.cleaned_data.get(f"{name}-{one.path}") or "") for name in one.texts}
    where = [
        {name: str(form.cleaned_data.get(f"{name}-{one.path}w{i}") or "") for name in OF_PROPERTY}
        for i in range(len(one.where))
    ]
    has_errors = any(name.endswith(f"-{one.path}") for name in form.errors)
    cleaned = Draft(texts, where=where, path=one.path)
    return None if has_errors else typed.part(cleaned, reading)


def types_for(root: Draft, app_group: AppGroup) -> catalogue.Types | None:
    """Return the attributes of the group; read again if a condition names an unknown one."""
    named = {
        one.texts.get("field", "").removeprefix(CUSTOM)
        for one in draft.walk(root)
        if one.parts is None and one.kind == "attribute"
    } - {""}
    if not named:
        return None
    known = catalogue.types(app_group)
    if known is None or named <= known.keys():
        return known
    return catalogue.types(app_group, is_fresh=True)


class Drawn(Protocol):
    """A form with controls of conditions, and what is shown beside them."""

    fields: dict[str, forms.Field]
    counts: Mapping[str, int]
    reasons: Mapping[str, str]

    def __getitem__(self, name: str) -> BoundField: ...

    @property
    def shown_types(self) -> catalogue.Types | None:
        """Return the types of the attributes."""


def view(form: Drawn, one: Draft) -> View:
    """Return a group or a condition as its template shows it."""
    if one.parts is not None:
        match = form[f"match-{one.path}"]
        parts = [view(form, part) for part in one.parts]
        may_nest = one.path.count(".") + 2 <= DEEPEST
        return View(
            one.path,
            form.counts.get(one.path),
            match=match,
            match_now=str(match.value() or "all"),
            parts=parts,
            may_nest=may_nest,
        )
    texts = {
        name: form[f"{name}-{one.path}"]
        for name in draft.CONTROLS
        if f"{name}-{one.path}" in form.fields
    }
    is_attribute = one.kind == "attribute"
    types = form.shown_types if is_attribute and one.texts.get("field") else None
    return View(
        one.path,
        form.counts.get(one.path),
        form.reasons.get(one.path, ""),
        texts=texts,
        icon=controls.ICONS.get(one.kind, "filter"),
        type=controls.type_words(types, one.texts.get("field", "")),
        where=[_property(form, f"{one.path}w{i}") for i in range(len(one.where))],
        may_have_more=len(one.where) < MAX_WHERE,
    )


def _property(form: Drawn, place: str) -> View:
    texts = {
        name: form[f"{name}-{place}"] for name in OF_PROPERTY if f"{name}-{place}" in form.fields
    }
    return View(place, texts=texts)


def name_taken() -> str:
    """Return the error for a name in use, found by a form or by the database."""
    return _("There is a segment of this name already.")


def _common(segment: Segment | None) -> dict[str, Any]:
    if segment is None:
        return {}
    return {
        "name": segment.name,
        "description": segment.description,
        "version": segment.version,
    }


def conditions_in(raw: Any) -> list[Any]:
    """Return the conditions of a saved filter, which are not doubted again."""
    try:
        return list(leaves(read(raw)))
    except FilterError:
        return []
