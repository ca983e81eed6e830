"""The controls of the builder: which a group or a condition has, and what can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.functional import Promise, cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Segment
from audiencesync.people.segments import audiences, catalogue
from audiencesync.people.segments.builder.draft import Draft
from audiencesync.people.segments.builder.shown import LONGEST_VALUE
from audiencesync.people.segments.nodes import (
    COLUMN_OPS,
    COUNTED,
    EVENT_OPS,
    FIELDS,
    LONGEST_NAME,
    MAX_DAYS,
    MAX_TIMES,
    NO_VALUE,
    OF_DAYS,
    OF_NUMBERS,
    OPS,
    RELATIVE,
)

Choices = list[tuple[str, str | Promise]]
MATCHES: Choices = [
    ("all", gettext_lazy("all")),
    ("any", gettext_lazy("any")),
    ("none", gettext_lazy("none")),
]
KINDS: Choices = [
    ("attribute", gettext_lazy("Attribute")),
    ("field", gettext_lazy("Profile field")),
    ("identifier", gettext_lazy("Identifier")),
    ("consent", gettext_lazy("Consent")),
    ("event", gettext_lazy("Event")),
    ("purchase", gettext_lazy("Purchase")),
    ("segment", gettext_lazy("Segment")),
    ("audience", gettext_lazy("Audience")),
    ("import", gettext_lazy("CSV import")),
]
ICONS = {
    "attribute": "user-circle",
    "field": "user-circle",
    "identifier": "device-mobile",
    "consent": "shield-lock",
    "event": "bolt",
    "purchase": "bolt",
    "segment": "filter",
    "audience": "target",
    "import": "upload",
}
IDENTIFIERS = ("email", "phone", "idfa", "gaid")
CONSENTS = ("ads_consent", "ad_tracking_enabled")
IDENTIFIER_OPS: Choices = [
    ("exists", gettext_lazy("is there")),
    ("missing", gettext_lazy("is missing")),
]
CONSENT_OPS: Choices = [
    ("is_true", gettext_lazy("is given")),
    ("is_false", gettext_lazy("is refused")),
    ("exists", gettext_lazy("is known")),
    ("missing", gettext_lazy("is not known")),
]
MEMBER_OPS: Choices = [("in", gettext_lazy("is in")), ("not_in", gettext_lazy("is not in"))]
IMPORT_OPS: Choices = [
    ("is", gettext_lazy("is")),
    ("is_not", gettext_lazy("is not")),
    ("in", gettext_lazy("is one of")),
]


# On a change the builder is rendered again, because other controls depend on this one.
REDRAW = {"hx-post": "", "hx-trigger": "change", "hx-vals": '{"draw": "1"}'}


@dataclass(frozen=True)
class Offers:
    """The choices that an app group has: its segments, its audiences, its attributes."""

    segments: Choices
    audiences: Choices
    app_group: AppGroup

    @cached_property
    def types(self) -> catalogue.Types:
        """Return the types of the attributes; empty if reading them takes too long."""
        return catalogue.shown_types(self.app_group) or {}


def offers(app_group: AppGroup, segment: Segment | None) -> Offers:
    """Return the choices of a group; a segment is not offered to itself."""
    rows = Segment.objects.filter(app_group=app_group).order_by("name", "pk")
    others = rows.exclude(pk=segment.pk) if segment else rows
    audience_names = audiences.names(app_group)
    return Offers(
        [(str(api_id), name) for api_id, name in others.values_list("api_id", "name")],
        [(str(pk), name) for pk, name in audience_names.items()],
        app_group,
    )


def fields(root: Draft, offers: Offers) -> dict[str, forms.Field]:
    """Return the controls of a tree by name."""
    fields: dict[str, forms.Field] = {}
    _group(fields, root, offers)
    return fields


def _group(fields: dict[str, forms.Field], draft: Draft, offers: Offers) -> None:
    label = _("People match")
    if number := _number(draft.path):
        label = _("People match, group %(number)s") % {"number": number}
    fields[f"match-{draft.path}"] = forms.ChoiceField(
        label=label, choices=MATCHES, widget=forms.RadioSelect(dict(REDRAW))
    )
    for part in draft.parts or []:
        if part.parts is None:
            for name, control in _condition(part, offers).items():
                fields[f"{name}-{part.path}"] = control
            for i in range(len(part.where)):
                fields |= _property(part, i)
        else:
            _group(fields, part, offers)


def _number(path: str) -> str:
    """Return the number of a part in labels, counted from 1: the path 0.1 is part 2."""
    return ".".join(str(int(index) + 1) for index in path.split(".")[1:])


def _condition(draft: Draft, offers: Offers) -> dict[str, forms.Field]:
    number = _number(draft.path)
    fields: dict[str, forms.Field] = {
        "kind": _select(_("Kind of condition %(number)s"), number, KINDS, redraw=True)
    }
    return fields | _BY_KIND.get(draft.kind, _attribute)(draft, number, offers)


def _attribute(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    return {
        "field": _text(
            _("Attribute of condition %(number)s"),
            number,
            LONGEST_NAME,
            list="segment-attributes",
            placeholder=_("Attribute"),
        ),
        "op": _ops(draft, number, _attribute_ops(draft, offers)),
    } | _value(draft, number)


def _attribute_ops(draft: Draft, offers: Offers) -> Choices:
    """Return the comparisons, worded for numbers or for dates where only these are stored."""
    name = draft.texts.get("field", "")
    types = offers.types.get(name, set()) if name else set()
    wording = {"date": OF_DAYS, "number": OF_NUMBERS}.get(next(iter(types), ""), {})
    return [
        (op, wording.get(op, default_text) if len(types) == 1 else default_text)
        for op, default_text in OPS.items()
    ]


def _of_profile(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    names = [name for name in FIELDS if name not in (*CONSENTS, "import")]
    # Fields that can only exist or be missing are of the kind "identifier".
    names = [name for name in names if FIELDS[name][1] - {"exists", "missing"}]
    field = draft.texts.get("field")
    allowed_ops = FIELDS[field if field in names else names[0]][1]
    # A condition "exists" on the e-mail is one on an identifier.
    allowed_ops = allowed_ops - {"exists", "missing"} if field == "email" else allowed_ops
    return {
        "field": _field(number, names),
        "op": _ops(
            draft, number, [(op, op_label) for op, op_label in OPS.items() if op in allowed_ops]
        ),
    } | _value(draft, number)


def _identifier(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    return {"field": _field(number, IDENTIFIERS), "op": _ops(draft, number, IDENTIFIER_OPS)}


def _consent(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    return {"field": _field(number, CONSENTS), "op": _ops(draft, number, CONSENT_OPS)}


def _import(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    return {"op": _ops(draft, number, IMPORT_OPS)} | _value(draft, number)


def _event(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    is_event = draft.kind == "event"
    label = (
        _("Event of condition %(number)s")
        if is_event
        else _("Product of condition %(number)s; empty: any")
    )
    placeholder = _("Event") if is_event else _("any product")
    suggestions = {"list": "segment-events"} if is_event else {}
    fields: dict[str, forms.Field] = {
        "event": _text(label, number, LONGEST_NAME, placeholder=placeholder, **suggestions),
        "op": _ops(draft, number, list(EVENT_OPS.items()), default="at_least"),
    }
    op = draft.texts.get("op", "")
    op = op if op in EVENT_OPS else "at_least"  # another operator belongs to the kind chosen before
    if op in COUNTED:
        fields["n"] = _amount(_("How often, condition %(number)s"), number, MAX_TIMES)
        fields["n"].initial = "1"
    if op in (*COUNTED, "never"):
        label, placeholder = _("Days of condition %(number)s; empty: at any time"), _("all")
    else:
        fields["day"] = _text(
            _("Day of condition %(number)s"), number, 10, placeholder="2026-11-23"
        )
        label, placeholder = _("Days ago, condition %(number)s"), ""
    fields["days"] = _amount(label, number, MAX_DAYS, placeholder=placeholder)
    return fields


def _segment(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    label_text = _("Segment of condition %(number)s")
    return {
        "op": _ops(draft, number, MEMBER_OPS),
        "segment": _select(label_text, number, [("", _("Choose a segment")), *offers.segments]),
    }


def _audience(draft: Draft, number: str, offers: Offers) -> dict[str, forms.Field]:
    label_text = _("Audience of condition %(number)s")
    return {
        "op": _ops(draft, number, MEMBER_OPS),
        "audience": _select(label_text, number, [("", _("Choose an audience")), *offers.audiences]),
    }


_BY_KIND = {
    "attribute": _attribute,
    "field": _of_profile,
    "identifier": _identifier,
    "consent": _consent,
    "event": _event,
    "purchase": _event,
    "segment": _segment,
    "audience": _audience,
    "import": _import,
}


def _property(draft: Draft, i: int) -> dict[str, forms.Field]:
    """Return the controls of one property of an event."""
    number, place = f"{_number(draft.path)}.{i + 1}", f"{draft.path}w{i}"
    texts = draft.where[i]
    allowed_ops = COLUMN_OPS.get(texts.get("property", "")) if draft.kind == "purchase" else None
    ops = [
        (op, op_label) for op, op_label in OPS.items() if allowed_ops is None or op in allowed_ops
    ]
    fields: dict[str, forms.Field] = {
        f"property-{place}": _text(
            _("Property %(number)s"),
            number,
            LONGEST_NAME,
            placeholder=_("Property"),
            **({"list": "segment-columns"} if draft.kind == "purchase" else {}),
        ),
        f"compare-{place}": _select(
            _("Comparison of property %(number)s"), number, ops, redraw=True
        ),
    }
    if texts.get("compare") not in NO_VALUE:
        fields[f"amount-{place}"] = _text(
            _("Value of property %(number)s"), number, LONGEST_VALUE, placeholder=_("Value")
        )
    return fields


def _ops(draft: Draft, number: str, choices: Choices, default: str = "") -> forms.ChoiceField:
    return _select(
        _("Comparison of condition %(number)s"), number, choices, redraw=True, initial=default
    )


def _value(draft: Draft, number: str) -> dict[str, forms.Field]:
    if draft.texts.get("op") in NO_VALUE and not draft.texts.get("value"):
        return {}
    is_short = draft.texts.get("op") in RELATIVE
    attrs = {"class": "is-short", "inputmode": "numeric"} if is_short else {}
    label_text = _("Value of condition %(number)s")
    return {"value": _text(label_text, number, LONGEST_VALUE, placeholder=_("Value"), **attrs)}


def _field(number: str, names: Any) -> forms.ChoiceField:
    choices: Choices = [(name, FIELDS[name][0]) for name in names]
    return _select(_("Field of condition %(number)s"), number, choices, redraw=True)


def _select(
    label_text: str, number: str, choices: Choices, *, redraw: bool = False, initial: str = ""
) -> forms.ChoiceField:
    label = label_text % {"number": number}
    attrs = {"aria-label": label, "class": "builder-select"}
    if redraw:
        attrs |= REDRAW
    widget = forms.Select(attrs)
    return forms.ChoiceField(
        label=label, choices=choices, widget=widget, required=False, initial=initial
    )


def _text(label_text: str, number: str, longest: int, **attrs: str) -> forms.CharField:
    label = label_text % {"number": number}
    css = f"builder-input {attrs.pop('class', '')}".strip()
    widget = forms.TextInput(
        {"aria-label": label, "autocomplete": "off", "class": css, "maxlength": longest, **attrs}
    )
    return forms.CharField(label=label, required=False, max_length=longest, widget=widget)


def _amount(label_text: str, number: str, most: int, placeholder: str = "") -> forms.CharField:
    attrs = {"inputmode": "numeric", "class": "is-short", "placeholder": placeholder}
    return _text(label_text, number, len(str(most)) + 4, **attrs)


def type_words(types: Mapping[str, set[str]] | None, name: str) -> str:
    """Return the types of an attribute, such as "text"; empty if it is unknown."""
    name_types = (types or {}).get(name, set())
    return ", ".join(str(catalogue.TYPE_WORDS[type_name]) for type_name in sorted(name_types))
