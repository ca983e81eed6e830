"""Forms of steps that ask about people, with the controls of the segment builder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.db.models import Prefetch
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from audiencesync.people.models import Segment
from audiencesync.people.segments import catalogue, filters
from audiencesync.people.segments.builder import controls, draft, shown
from audiencesync.people.segments.builder import form as builder
from audiencesync.people.segments.builder.draft import Draft
from audiencesync.people.segments.builder.typed import Reading
from audiencesync.people.segments.nodes import COLUMNS
from audiencesync.people.writing import event_names
from canvases.models import Step, StepSegment
from canvases.steps.base import StepForm

Filter = dict[str, Any]
MAX_SUGGESTIONS = 250  # names that are suggested
# All kinds, except those that need a query to be put into words.
CONDITION_KINDS = [kind for kind in controls.KINDS if kind[0] not in ("audience", "import")]


def empty_condition() -> Draft:
    """Return a condition to fill in. It begins with the most common kind, a saved segment."""
    return Draft({"kind": "segment", "op": "in"})


def draft_of(raw: Filter) -> Draft:
    """Return a stored filter of one condition as a draft of the segment builder."""
    root = shown.tree_or_none(raw) if raw else None
    parts = (root.parts if root else None) or []
    return parts[0] if len(parts) == 1 and parts[0].parts is None else empty_condition()


class ConditionsForm(StepForm):
    """Conditions, one for each branch.

    ``root``: typed conditions that are not saved, to be shown again without validation.
    """

    anyway = forms.BooleanField(
        label=_("Save it although this condition finds no person today"), required=False
    )
    buttons: ClassVar = {"draw", "add_property", "remove"}

    def __init__(
        self, data: Any = None, *, step: Step, initial: Any = None, root: Draft | None = None
    ) -> None:
        conditions = self.stored(step.settings if initial is None else initial)
        sent_root = self.sent(data) if data is not None else None
        self.root = root or sent_root or draft.set_paths(draft.group("all", conditions))
        # What `builder.view` shows beside the conditions of a segment; a step shows nothing there.
        self.counts: Mapping[str, int] = {}
        self.reasons: Mapping[str, str] = {}
        self.is_in_doubt = False  # whether a condition finds no person today; set by `clean`
        app_group = step.canvas.app_group
        super().__init__(data, step=step, initial=draft.data(self.root))
        condition_fields = controls.fields(self.root, controls.offers(app_group, None))
        # The root only lists the conditions of the branches, so "match all or any" has no meaning.
        del condition_fields[f"match-{draft.ROOT}"]
        self._adapt(
            condition_fields, reverse("step", args=[app_group.slug, step.canvas_id, step.pk])
        )
        self.fields |= condition_fields
        if root is not None:
            self.initial["typed"] = True  # the page asks before these unsaved values are lost

    def stored(self, settings: Mapping[str, Any]) -> list[Draft]:
        """Return the conditions of the settings."""
        raise NotImplementedError

    @classmethod
    def sent(cls, data: Mapping[str, object]) -> Draft:
        """Return the conditions that were sent."""
        return draft.from_data(dict(data.items()) | {f"match-{draft.ROOT}": "all"})

    @classmethod
    def from_button(cls, data: Mapping[str, object], *, step: Step) -> StepForm | None:
        """Return the form after one of ``buttons``, which do not save; None after another one."""
        if cls.buttons.isdisjoint(data):
            return None
        root = cls.sent(data)
        draft.apply_action(root, {name: str(value) for name, value in data.items()})
        return cls(step=step, root=cls.completed(root, step))

    @classmethod
    def completed(cls, root: Draft, step: Step) -> Draft:
        """Return the conditions after a button was pressed, with what a new one needs."""
        return root

    @staticmethod
    def _adapt(condition_fields: dict[str, forms.Field], url: str) -> None:
        """Offer CONDITION_KINDS only, and let a change of the kind draw the form at ``url``."""
        for name, field in condition_fields.items():
            if "hx-post" in field.widget.attrs:
                field.widget.attrs["hx-post"] = url
            if name.startswith("kind-"):
                assert isinstance(field, forms.ChoiceField)
                field.choices = CONDITION_KINDS

    def clean(self) -> dict[str, Any]:
        """Turn each condition into a filter."""
        cleaned = super().clean() or {}
        reading = Reading(
            self.step.canvas.app_group,
            builder.types_for(self.root, self.step.canvas.app_group),
            self._known(),
            bool(cleaned.get("anyway")),
            self._report,
        )
        cleaned["filters"] = [self._filter(part, reading) for part in self.root.parts or []]
        self.is_in_doubt = reading.is_in_doubt
        return cleaned

    def _filter(self, part: Draft, reading: Reading) -> Filter | None:
        n_errors = len(self.errors)
        condition_filter = builder.condition(self, part, reading)
        if condition_filter is None and len(self.errors) == n_errors:
            control = f"field-{part.path}"
            self._report(control, str(_("Complete this condition.")))
        return condition_filter

    def _known(self) -> list[Any]:
        """Return the stored conditions: the form does not warn about these again."""
        return [
            leaf for raw in filters_in(self.step.settings) for leaf in builder.conditions_in(raw)
        ]

    def _report(self, control: str, message: str) -> None:
        self.add_error(control if control in self.fields else None, message)

    @cached_property
    def shown_types(self) -> catalogue.Types | None:
        """Return the types of the attributes, for the marks beside the conditions."""
        return catalogue.types(self.step.canvas.app_group)

    @property
    def conditions(self) -> list[builder.View]:
        """Return the conditions as the template shows them."""
        return [builder.view(self, part) for part in self.root.parts or []]

    @property
    def attributes(self) -> Any:
        """Return the attributes to suggest."""
        return catalogue.suggestions(self.step.canvas.app_group)

    @property
    def events(self) -> Any:
        """Return the names of events to suggest."""
        return event_names.page(self.step.canvas.app_group, start=0, n=MAX_SUGGESTIONS)

    @property
    def columns(self) -> Any:
        """Return the columns of a purchase to suggest."""
        return COLUMNS


def filters_in(settings: Mapping[str, Any]) -> list[Filter]:
    """Return the filters in the settings of a step."""
    rows = [settings, *settings.get("paths", []), *settings.get("events", [])]
    return [row["filter"] for row in rows if row.get("filter")]


def segments_in(settings: Mapping[str, Any]) -> set[str]:
    """Return the api_ids of the segments that the settings of a step name."""
    api_ids = {row["segment"] for row in settings.get("events", []) if row.get("segment")}
    return api_ids.union(*map(filters.segments_in, filters_in(settings)))


def is_readable(raw: Filter) -> bool:
    """Return whether a stored filter is there and valid."""
    try:
        filters.read(raw)
    except filters.FilterError:
        return False
    return bool(raw)


# Prefetch this before you call `segments_of` for many steps.
SEGMENTS = Prefetch(
    "segment_uses", StepSegment.objects.select_related("segment"), to_attr="known_segment_uses"
)


def segments_of(step: Step) -> list[Segment]:
    """Return the segments that the settings of a step name."""
    prefetched: list[StepSegment] | None = getattr(step, SEGMENTS.to_attr or "", None)
    return [use.segment for use in (step.segment_uses.all() if prefetched is None else prefetched)]


def words(step: Step, raw: Filter) -> str:
    """Return a filter of a step in words, without personal data."""
    known_segments = {
        str(segment.api_id): filters.ReferencedSegment(segment.name, segment.app_group_id, None)
        for segment in segments_of(step)
    }
    try:
        return filters.describe(raw, masked=True, segments=known_segments)
    except filters.FilterError:
        return ""


def rows_of(settings: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """Return a list of rows in the settings; empty if it is missing."""
    rows = settings.get(name)
    return rows if isinstance(rows, list) else []
