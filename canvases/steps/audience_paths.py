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
from canvases.steps.conditions_form import ConditionsForm, blank, drawn, is_readable, rows_of
from canvases.steps.numbered import (
    EVERYONE_ELSE,
    LONGEST_NAME,
    MOST_PATHS,
    distinct,
    free_number,
    lost,
    lost_words,
    spent,
    typed_number,
    with_components,
)

if TYPE_CHECKING:
    from canvases.models import Step


SHOWN = 2  # names of paths on a card


class AudiencePathsForm(ConditionsForm):
    """A name and a condition for each path, in their order."""

    buttons = ConditionsForm.buttons | {"add"}

    def __init__(self, *args: Any, step: Step, **kwargs: Any) -> None:
        super().__init__(*args, step=step, **kwargs)
        for n, one in enumerate(self.root.parts or [], 1):
            words = {"n": n}
            label = gettext("Name of path %(n)s") % words
            text = forms.TextInput({"autocomplete": "off"})
            self.fields[f"path-{one.path}"] = forms.CharField(
                label=label, max_length=LONGEST_NAME, widget=text
            )
            self.fields[f"number-{one.path}"] = forms.IntegerField(
                min_value=1, max_value=MOST_PATHS, required=False, widget=forms.HiddenInput
            )

    def stored(self, settings: Mapping[str, Any]) -> list[Draft]:
        """Return the paths; one to begin with."""
        found = []
        for row in rows_of(settings, "paths"):
            one = drawn(row.get("filter") or {})
            one.texts |= {"path": str(row["name"]), "number": str(row["number"])}
            found.append(one)
        return found or [self._fresh(set())]

    @staticmethod
    def _fresh(used: Collection[int], *, spent: Collection[int] = ()) -> Draft:
        number = free_number(used, spent=spent)
        one = blank()
        one.texts |= {"path": gettext("Path %(n)s") % {"n": number}, "number": str(number)}
        return one

    @classmethod
    def sent(cls, data: Mapping[str, object]) -> Draft:
        """Return the paths that were sent."""
        root = super().sent(data)
        root.parts = (root.parts or [])[:MOST_PATHS]
        for one in root.parts:
            one.texts |= {name: str(data.get(f"{name}-{one.path}", "")) for name in OF_PATH}
        return root

    @classmethod
    def completed(cls, root: Draft, step: Step) -> Draft:
        """Give an added path a number that no path and no component has, and no one took."""
        parts = (root.parts or [])[:MOST_PATHS]
        numbers = [typed_number(one.texts.get("number")) for one in parts]
        used = with_components(step).union(filter(None, numbers))
        root.parts = [
            one if number else cls._fresh(used, spent=spent(step))
            for one, number in zip(parts, numbers, strict=True)
        ]
        return draft.numbered(root)

    @property
    def may_have_more(self) -> bool:
        """Return whether another path can be added."""
        return len(self.root.parts or []) < MOST_PATHS

    @property
    def paths(self) -> list[tuple[forms.BoundField, forms.BoundField, builder.View]]:
        """Return name, number and condition of each path."""
        return [
            (self[f"path-{one.path}"], self[f"number-{one.path}"], view)
            for one, view in zip(self.root.parts or [], self.conditions, strict=True)
        ]

    def clean(self) -> dict[str, Any]:
        """Require a path, other names, and that no component is left in a path that is gone."""
        cleaned = super().clean()
        names = [cleaned.get(f"path-{one.path}", "") for one in self.root.parts or []]
        if not names:
            self.add_error(None, _("Add at least one path."))
        for one in self.root.parts or []:
            if (name := cleaned.get(f"path-{one.path}")) and names.count(name) > 1:
                self.add_error(f"path-{one.path}", _("Another path has this name."))
        if lost_names := lost(self.step, AudiencePaths().branches(self.step), self._numbers()):
            self.add_error(None, lost_words(lost_names))
        return cleaned

    def _numbers(self) -> list[int]:
        paths = [one.path for one in self.root.parts or []]
        numbers = (self.cleaned_data.get(f"number-{path}") for path in paths)
        return distinct(numbers, spent=spent(self.step))

    def settings(self) -> dict[str, Any]:
        """Return number, name and filter of each path."""
        cleaned = self.cleaned_data
        rows = zip(self._numbers(), self.root.parts or [], cleaned["filters"], strict=True)
        return {
            "paths": [
                {"number": number, "name": cleaned[f"path-{one.path}"], "filter": chosen}
                for number, one, chosen in rows
            ]
        }


OF_PATH = ("path", "number")


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
        """Return such as: German, VIP, 3 more and everyone else."""
        names = [str(row["name"]) for row in rows_of(step.settings, "paths")]
        if not names:
            return _("Not set up yet")
        shown = names[:SHOWN]
        if more := len(names[SHOWN:]):
            shown.append(gettext("%(n)s more") % {"n": more})
        return gettext("%(paths)s and everyone else") % {"paths": ", ".join(shown)}

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return that there are no paths."""
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
        """Return the names of the paths, and what they compare without the values."""
        old, new = (
            ", ".join(str(row["name"]) for row in rows_of(one, "paths")) for one in (before, after)
        )
        return [(_("Paths"), old, new), (_("Condition"), *segments_used.compared(before, after))]

    def on_saved(self, step: Step) -> None:
        """Store the segments that the conditions name."""
        segments_used.keep(step)
