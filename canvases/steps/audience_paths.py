"""The Audience paths step: people take the first path whose condition holds, else the last one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.people.segments.builder import draft
from audiencesync.people.segments.builder import form as builder
from audiencesync.people.segments.builder.draft import Draft
from canvases.steps import segments_used
from canvases.steps.base import Branch, StepKind, StepProblem, Text
from canvases.steps.conditions_form import (
    ConditionsForm,
    draft_of,
    empty_condition,
    is_readable,
    rows_of,
)
from canvases.steps.numbered import (
    EVERYONE_ELSE,
    MAX_NAME_LENGTH,
    MAX_PATHS,
    distinct_numbers,
    free_number,
    lost_error,
    lost_names,
    numbers_with_components,
    spent_numbers,
    typed_number,
)

if TYPE_CHECKING:
    from canvases.models import Step


SHOWN_NAMES = 2  # names of paths on a card


class AudiencePathsForm(ConditionsForm):
    """A name and a condition for each path, in their order."""

    buttons = ConditionsForm.buttons | {"add"}

    def __init__(self, *args: Any, step: Step, **kwargs: Any) -> None:
        super().__init__(*args, step=step, **kwargs)
        for n, part in enumerate(self.root.parts or [], 1):
            params = {"n": n}
            label = gettext("Name of path %(n)s") % params
            widget = forms.TextInput({"autocomplete": "off"})
            self.fields[f"path-{part.path}"] = forms.CharField(
                label=label, max_length=MAX_NAME_LENGTH, widget=widget
            )
            self.fields[f"number-{part.path}"] = forms.IntegerField(
                min_value=1, max_value=MAX_PATHS, required=False, widget=forms.HiddenInput
            )

    def stored(self, settings: Mapping[str, Any]) -> list[Draft]:
        """Return the stored paths; if there are none, one empty path."""
        drafts = []
        for row in rows_of(settings, "paths"):
            path = draft_of(row.get("filter") or {})
            path.texts |= {"path": str(row["name"]), "number": str(row["number"])}
            drafts.append(path)
        return drafts or [self._new_path(set())]

    @staticmethod
    def _new_path(used_numbers: Collection[int], *, spent: Collection[int] = ()) -> Draft:
        number = free_number(used_numbers, spent=spent)
        path = empty_condition()
        path.texts |= {"path": gettext("Path %(n)s") % {"n": number}, "number": str(number)}
        return path

    @classmethod
    def sent(cls, data: Mapping[str, object]) -> Draft:
        """Return the paths that were sent."""
        root = super().sent(data)
        root.parts = (root.parts or [])[:MAX_PATHS]
        for part in root.parts:
            part.texts |= {name: str(data.get(f"{name}-{part.path}", "")) for name in PATH_TEXTS}
        return root

    @classmethod
    def completed(cls, root: Draft, step: Step) -> Draft:
        """Give each new path a number that no path, component or count of people refers to."""
        parts = (root.parts or [])[:MAX_PATHS]
        numbers = [typed_number(part.texts.get("number")) for part in parts]
        used_numbers = numbers_with_components(step).union(filter(None, numbers))
        root.parts = [
            part if number else cls._new_path(used_numbers, spent=spent_numbers(step))
            for part, number in zip(parts, numbers, strict=True)
        ]
        return draft.set_paths(root)

    @property
    def may_have_more(self) -> bool:
        """Return whether another path can be added."""
        return len(self.root.parts or []) < MAX_PATHS

    @property
    def paths(self) -> list[tuple[forms.BoundField, forms.BoundField, builder.View]]:
        """Return name, number and condition of each path."""
        return [
            (self[f"path-{part.path}"], self[f"number-{part.path}"], view)
            for part, view in zip(self.root.parts or [], self.conditions, strict=True)
        ]

    def clean(self) -> dict[str, Any]:
        """Require a path, distinct names, and that no removed path still has components."""
        cleaned = super().clean()
        names = [cleaned.get(f"path-{part.path}", "") for part in self.root.parts or []]
        if not names:
            self.add_error(None, _("Add at least one path."))
        for part in self.root.parts or []:
            if (name := cleaned.get(f"path-{part.path}")) and names.count(name) > 1:
                self.add_error(f"path-{part.path}", _("Another path has this name."))
        branches = AudiencePaths().branches(self.step)
        if in_use := lost_names(self.step, branches, self._numbers()):
            self.add_error(None, lost_error(in_use))
        return cleaned

    def _numbers(self) -> list[int]:
        paths = [part.path for part in self.root.parts or []]
        numbers = (self.cleaned_data.get(f"number-{path}") for path in paths)
        return distinct_numbers(numbers, spent=spent_numbers(self.step))

    def settings(self) -> dict[str, Any]:
        """Return number, name and filter of each path."""
        cleaned = self.cleaned_data
        rows = zip(self._numbers(), self.root.parts or [], cleaned["filters"], strict=True)
        return {
            "paths": [
                {"number": number, "name": cleaned[f"path-{part.path}"], "filter": path_filter}
                for number, part, path_filter in rows
            ]
        }


PATH_TEXTS = ("path", "number")


class AudiencePaths(StepKind):
    """Divide people by up to seven conditions, in their order.

    The number of a path stays the same when others are removed: its components refer to it.
    """

    key = "audience_paths"
    label = _("Audience paths")
    help = _("People take the first of up to seven paths whose condition holds for them.")
    icon = "route"
    template = "canvases/steps/audience_paths.html"
    form = AudiencePathsForm
    is_instant = True
    splits = True

    def summary(self, step: Step) -> Text:
        """Return text such as: German, VIP, 3 more and everyone else."""
        names = [str(row["name"]) for row in rows_of(step.settings, "paths")]
        if not names:
            return _("Not set up yet")
        shown = names[:SHOWN_NAMES]
        if more := len(names[SHOWN_NAMES:]):
            shown.append(gettext("%(n)s more") % {"n": more})
        return gettext("%(paths)s and everyone else") % {"paths": ", ".join(shown)}

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return a problem if there is no path, or a path has no condition."""
        if self.is_set_up(step):
            return []
        return [StepProblem(_("Choose the condition of each path."), field="kind-0.0")]

    def is_set_up(self, step: Step) -> bool:
        """Return whether there is a path, and each has its condition."""
        rows = rows_of(step.settings, "paths")
        return bool(rows) and all(is_readable(row.get("filter") or {}) for row in rows)

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return the paths in their order, then everyone else."""
        return (
            *(
                Branch(path["number"], path["name"], path["filter"])
                for path in rows_of(step.settings, "paths")
            ),
            Branch(EVERYONE_ELSE, _("Everyone else")),
        )

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the names of the paths, and the fields of their conditions without the values."""
        old_names, new_names = (
            ", ".join(str(row["name"]) for row in rows_of(stored, "paths"))
            for stored in (before, after)
        )
        return [
            (_("Paths"), old_names, new_names),
            (_("Condition"), *segments_used.compared_fields(before, after)),
        ]

    def on_saved(self, step: Step) -> None:
        """Store which segments the conditions name."""
        segments_used.store(step)
