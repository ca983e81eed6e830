"""Filter and order of the table, from its query string."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from canvases.analytics import METRICS
from canvases.models import Canvas, Step
from canvases.steps.base import Text
from partners.models import Incident

TROUBLE = "trouble"
SORTS = (
    TROUBLE,
    "group",
    "canvas",
    "state",
    "step",
    *METRICS,
    "error_rate",
    "today",
    "oldest_pending",
    "connection",
)
RANGES: dict[str, Text] = {
    "": _("Since launch"),
    "today": _("Today"),
    "7d": _("7 days"),
    "30d": _("30 days"),
}
DAYS = {"today": 1, "7d": 7, "30d": 30}
PENDING_OVER: dict[str, Text] = {
    "": _("Any"),
    "10": _("10 minutes"),
    "60": _("1 hour"),
    "360": _("6 hours"),
}


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Filter and order of the table. Days are UTC, both included."""

    group: str = ""
    state: str = ""
    text: str = ""
    since: date | None = None
    until: date | None = None
    pending_over: timedelta | None = None
    in_trouble: bool = False
    sort: str = TROUBLE

    @property
    def has_dates(self) -> bool:
        """Return whether only some days are counted."""
        return bool(self.since or self.until)

    def steps(self) -> QuerySet[Step]:
        """Return the steps that match the filter, not yet filtered by ``pending_over``."""
        steps = Step.objects.filter(Q(removed_at=None) | Q(tally__entered__gt=0))
        if self.group:
            steps = steps.filter(canvas__app_group__slug=self.group)
        if self.state:
            steps = steps.filter(canvas__state=self.state)
        if self.in_trouble:
            trouble = Incident.objects.open().filter(app_group=OuterRef("canvas__app_group"))
            steps = steps.filter(Exists(trouble))
        return steps.filter(self._names()) if self.text else steps

    def _names(self) -> Q:
        return (
            Q(canvas__name__icontains=self.text)
            | Q(canvas__app_group__name__icontains=self.text)
            | Q(name__icontains=self.text)
            | Q(sync__audience__name__icontains=self.text)
        )


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, in words, and the parameters that it is made of."""

    label: str
    names: tuple[str, ...]


class StaffFilter(forms.Form):
    """The form of filter and order. ``slug``: the only app group to show; empty for all."""

    q = forms.CharField(label=_("Search"), required=False, max_length=120)
    group = forms.SlugField(label=_("App group"), required=False)
    state = forms.ChoiceField(
        label=_("State"), choices=[("", _("All")), *Canvas.State.choices], required=False
    )
    pending = forms.ChoiceField(
        label=_("Pending for more than"), choices=list(PENDING_OVER.items()), required=False
    )
    trouble = forms.BooleanField(label=_("Only groups with problems"), required=False)
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
    range = forms.ChoiceField(
        choices=list(RANGES.items()), required=False, widget=forms.HiddenInput
    )
    sort = forms.ChoiceField(
        choices=[(sign + name, name) for name in SORTS for sign in ("", "-")],
        required=False,
        widget=forms.HiddenInput,
    )

    def __init__(self, *args: Any, slug: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.slug = slug
        if slug:
            del self.fields["group"], self.fields["trouble"]

    def clean_group(self) -> str:
        """Refuse an app group that does not exist."""
        slug: str = self.cleaned_data["group"]
        if slug and slug not in dict(self.groups):
            raise forms.ValidationError(_("There is no such app group."))
        return slug

    @cached_property
    def groups(self) -> list[tuple[str, str]]:
        """Return (slug, name) of the app groups: Django's own field would render them slowly."""
        return list(AppGroup.objects.values_list("slug", "name"))

    def clean(self) -> dict[str, Any]:
        """Refuse an end before the start."""
        cleaned = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since > until:
            self.add_error("until", _("The end lies before the beginning."))
        return cleaned

    def query(self) -> TableQuery:
        """Return the filter. Only for valid forms."""
        cleaned = self.cleaned_data
        since, until = cleaned["since"], cleaned["until"]
        if not (since or until) and cleaned["range"]:
            today = timezone.now().astimezone(UTC).date()
            since = today - timedelta(days=DAYS[cleaned["range"]] - 1)
        pending = cleaned["pending"]
        return TableQuery(
            group=self.slug or cleaned["group"],
            state=cleaned["state"],
            text=cleaned["q"].strip(),
            since=since,
            until=until,
            pending_over=timedelta(minutes=int(pending)) if pending else None,
            in_trouble=bool(cleaned.get("trouble")),
            sort=cleaned["sort"] or TROUBLE,
        )

    def chips(self) -> list[Chip]:
        """Return the filters that are set. Only for valid forms."""
        cleaned = self.cleaned_data
        text_of = {
            "q": f"“{cleaned['q']}”" if cleaned["q"] else "",
            "group": dict(self.groups)[cleaned["group"]] if cleaned.get("group") else "",
            "state": Canvas.State(cleaned["state"]).label if cleaned["state"] else "",
            "pending": str(PENDING_OVER[cleaned["pending"]]) if cleaned["pending"] else "",
            "trouble": str(_("yes")) if cleaned.get("trouble") else "",
            "since": _day(cleaned["since"]),
            "until": _day(cleaned["until"]),
        }
        return [
            Chip(f"{self.fields[name].label}: {text}", (name,))
            for name, text in text_of.items()
            if text
        ]


def _day(day: date | None) -> str:
    return date_format(day, "SHORT_DATE_FORMAT") if day else ""
