"""Recipes: canvases that work after at most three choices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from django import forms
from django.db import transaction
from django.utils.functional import Promise
from django.utils.text import format_lazy
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import KINDS, Segment
from audiencesync.people.segments import edit as segments
from canvases.editing import edit
from canvases.models import Canvas, Step
from partners import registry
from partners.models import Action, Audience

Text = str | Promise
Answers = dict[str, Any]
MAX_DAYS, MAX_TIMES, MAX_HOURS = 730, 100, 720
KEPT_DAYS = 30  # for which people stay in the audience after they filled a cart


class AudienceField(forms.ModelChoiceField):
    """Audiences by name and ad account."""

    def label_from_instance(self, obj: Any) -> str:
        """Return text such as: Winback – Acme EU."""
        return f"{obj.name} – {obj.ad_account.name}"


class RecipeForm(forms.Form):
    """The choices of a recipe: the audience, then at most two of the others."""

    audience = AudienceField(
        Audience.objects.none(),
        label=_("Audience"),
        required=False,
        empty_label=_("Choose or create it later, in the component"),
        error_messages={
            "invalid_choice": _(
                "This audience does not belong to the ad account. Choose another one."
            )
        },
    )
    event = forms.CharField(label=_("Event"), max_length=255)
    product = forms.CharField(
        label=_("Product"),
        max_length=255,
        required=False,
        help_text=_("Its ID, as your program sends it. Empty: any purchase."),
    )
    times = forms.IntegerField(
        label=_("Purchases at least"), min_value=1, max_value=MAX_TIMES, initial=3
    )
    days = forms.IntegerField(label=_("Days"), min_value=1, max_value=MAX_DAYS)
    hours = forms.IntegerField(
        label=_("Hours to wait for the purchase"), min_value=1, max_value=MAX_HOURS, initial=1
    )

    def __init__(self, *args: Any, recipe: Recipe, app_group: AppGroup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in [name for name in self.fields if name not in ("audience", *recipe.asks)]:
            del self.fields[name]
        for name, (label, initial) in recipe.asks.items():
            if label:
                self.fields[name].label = str(label)
            self.fields[name].initial = initial
        audiences = Audience.objects.filter(
            is_appendable=True,
            ad_account__is_chosen=True,
            ad_account__connection__app_group=app_group,
        )
        audiences = audiences.exclude(ad_account__connection__token_sealed="")
        field = self.fields["audience"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = audiences.select_related("ad_account__connection").order_by("name", "pk")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A canvas to start from.

    ``asks``: field -> (label, first value). ``filter_of``: the filter of the segment, from the
    answers. People enter when they join the segment, or with ``is_by_event`` when the event
    happens; they leave the canvas when they leave the segment.
    """

    key: str
    title: Text
    help: Text
    asks: dict[str, tuple[Text, Any]]
    filter_of: Callable[[Answers], dict[str, Any]]
    is_by_event: bool = False


def _customers_filter(answers: Answers) -> dict[str, Any]:
    return {"purchase": answers["product"], "op": "at_least", "n": 1, "days": answers["days"]}


def _inactive_filter(answers: Answers) -> dict[str, Any]:
    return {"event": answers["event"], "op": "last_before", "days": answers["days"]}


def _valuable_filter(answers: Answers) -> dict[str, Any]:
    return {"purchase": "", "op": "at_least", "n": answers["times"], "days": answers["days"]}


def _lapsed_filter(answers: Answers) -> dict[str, Any]:
    return {"purchase": answers["product"], "op": "last_before", "days": answers["days"]}


def _cart_filter(answers: Answers) -> dict[str, Any]:
    days = KEPT_DAYS + ceil(answers["hours"] / 24)
    return {"event": answers["event"], "op": "at_least", "n": 1, "days": days}


_ALL = [
    Recipe(
        "suppression",
        _("Suppression of customers"),
        _("People who bought are added, so that ads can leave them out; later they are removed."),
        {"product": ("", ""), "days": (_("Days since the purchase"), 180)},
        _customers_filter,
    ),
    Recipe(
        "retargeting",
        _("Retargeting of people who stopped responding"),
        _("People who have not done something for a while are added, and removed when they do."),
        {
            "event": (_("Event that they used to do"), "app_open"),
            "days": (_("Days without it"), 30),
        },
        _inactive_filter,
    ),
    Recipe(
        "lookalikes",
        _("High-value seed for lookalikes"),
        _("The people who buy most often, for an audience that lookalikes are made from."),
        {"times": ("", 3), "days": (_("Within how many days"), 365)},
        _valuable_filter,
    ),
    Recipe(
        "winback",
        _("Win-back"),
        _("People whose last purchase is long ago are added, and removed when they buy again."),
        {"product": ("", ""), "days": (_("Days since the last purchase"), 90)},
        _lapsed_filter,
    ),
    Recipe(
        "cart",
        _("Abandoned cart"),
        format_lazy(
            _(
                "People who fill a cart and do not buy are added. They are removed when they "
                "buy, or after {days} days without another cart."
            ),
            days=KEPT_DAYS,
        ),
        {"event": (_("Event of a filled cart"), "add_to_cart"), "hours": ("", 1)},
        _cart_filter,
        is_by_event=True,
    ),
]
RECIPES = {recipe.key: recipe for recipe in _ALL}


def build(
    recipe: Recipe, app_group: AppGroup, answers: Answers, *, by: User, now: datetime
) -> Canvas:
    """Create the draft of a recipe: segment, canvas and components."""
    with transaction.atomic():
        segment = _segment(recipe, app_group, answers, by=by)
        canvas = edit.create(
            app_group, name=str(recipe.title), description="", segment=segment, by=by, now=now
        )
        edit.save_entry(canvas, _entry(recipe, answers), version=canvas.version, by=by, now=now)
        canvas.refresh_from_db()
        delay: Step | None = None
        if "hours" in answers:
            delay = edit.add(canvas, "delay", after=None, by=by, now=now)
            wait_settings = {"amount": answers["hours"], "unit": "hours"}
            edit.save_settings(delay, wait_settings, version=delay.version, by=by, now=now)
        step = edit.add(canvas, "audience_sync", after=delay, by=by, now=now)
        if audience := answers["audience"]:
            edit.save_settings(step, _settings(audience), version=step.version, by=by, now=now)
    return canvas


def _entry(recipe: Recipe, answers: Answers) -> dict[str, Any]:
    """Return the columns of the canvas for entry and exit."""
    if not recipe.is_by_event:
        return {
            "entry_by": Canvas.EntryBy.SEGMENT,
            "reentry": Canvas.Reentry.LEFT,
            "exits": {"events": [], "left": True},
        }
    return {
        "entry_by": Canvas.EntryBy.EVENT,
        "entry": {"kind": "event", "name": answers["event"], "where": []},
        "reentry": Canvas.Reentry.LEFT,
        "exits": {"events": [{"kind": "purchase", "name": "", "where": []}], "left": True},
    }


def _settings(audience: Audience) -> dict[str, Any]:
    """Return settings to add people with all fields that the partner takes, and remove leavers."""
    accepted_kinds = registry.get(audience.ad_account.connection.partner).kinds
    return {
        "ad_account": audience.ad_account_id,
        "audience": audience.pk,
        "action": Action.ADD.value,
        "kinds": [kind for kind in KINDS if kind in accepted_kinds],
        "removes": True,
    }


def _segment(recipe: Recipe, app_group: AppGroup, answers: Answers, *, by: User) -> Segment:
    """Create the segment, with a number in its name if the name is taken."""
    segment_filter = {"all": [recipe.filter_of(answers)]}
    title, n = str(recipe.title), 1
    name = title
    taken_names = set(
        app_group.segments.filter(name__startswith=title).values_list("name", flat=True)
    )
    while name in taken_names:
        n += 1
        name = gettext("%(name)s %(n)d") % {"name": title, "n": n}
    return segments.create(app_group, name=name, raw_filter=segment_filter, by=by)
