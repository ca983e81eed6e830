"""The editor form of the Audience Sync step: account, audience, action, fields to match.

A field to match is a kind of identifier, such as e-mail, hence ``kinds``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.people.models import KINDS
from audiencesync.people.segments import filters
from audiencesync.people.segments.uses.coverage import Coverage, coverage
from canvases.models import Canvas, Step
from canvases.steps import resend
from canvases.steps.base import StepForm, Text
from partners import audiences, registry
from partners.base import Partner
from partners.models import Action, AdAccount, Audience

FIELD_NAMES: dict[str, Text] = {
    "email": _("E-mail"),
    "phone": _("Phone"),
    "idfa": _("iOS IDFA"),
    "gaid": _("Android GAID"),
}


class AdAccountField(forms.ModelChoiceField):
    """Accounts by name and the partner's id."""

    def label_from_instance(self, obj: Any) -> str:
        """Return text such as: Acme EU – 7012."""
        return f"{obj.name} – {obj.remote_id}"


class AudienceSelect(forms.Select):
    """A select whose options have data- attributes for the combobox; unusable ones are disabled."""

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Add the data of the audience to its option."""
        option = super().create_option(*args, **kwargs)
        audience = getattr(option["value"], "instance", None)
        if audience is not None:
            option["attrs"] |= {"data-name": audience.name, "data-note": audience_note(audience)}
            if why_not(audience):
                option["attrs"] |= {"disabled": True}
        return option


class AudienceField(forms.ModelChoiceField):
    """Audiences by name, id, type and size."""

    widget = AudienceSelect

    def label_from_instance(self, obj: Any) -> str:
        """Return name and note on one line, for browsers without JavaScript."""
        return f"{obj.name} – {audience_note(obj)}"


class KindsWidget(forms.CheckboxSelectMultiple):
    """Checkboxes with the number of profiles that have each field today."""

    form: AudienceSyncForm

    def create_option(
        self, name: str, value: Any, label: Any, *args: Any, **kwargs: Any
    ) -> dict[str, Any]:
        """Add the count, which is read only when the boxes are drawn."""
        return super().create_option(
            name, value, self.form.with_count(str(value), label), *args, **kwargs
        )


class AudienceSyncForm(StepForm):
    """Ad account, audience, action and fields."""

    ad_account = AdAccountField(
        AdAccount.objects.none(),
        label=_("Ad account"),
        empty_label=_("Choose an ad account"),
        error_messages={
            "required": _("Choose an ad account."),
            "invalid_choice": _("This ad account is not connected. Choose another one."),
        },
    )
    audience = AudienceField(
        Audience.objects.none(),
        label=_("Choose an existing audience"),
        empty_label=_("Choose an audience"),
        required=False,
        error_messages={
            "invalid_choice": _(
                "This audience does not belong to the ad account. Choose another one."
            )
        },
    )
    audience_name = forms.CharField(
        label=_("Choose a new or existing audience"),
        required=False,
        max_length=255,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "placeholder": _("Search, or type a new name")}
        ),
    )
    action = forms.ChoiceField(
        label=_("Action"), choices=Action.choices, widget=forms.RadioSelect, initial=Action.ADD
    )
    removes = forms.BooleanField(
        label=_("Remove people again when they leave"),
        required=False,
        help_text=_(
            "People who leave the segment or meet an exit of this canvas are removed from the "
            "audience, unless another component still wants them there. "
            "Only for components that add people."
        ),
    )
    kinds = forms.MultipleChoiceField(
        label=_("Fields to match"),
        choices=list(FIELD_NAMES.items()),
        widget=KindsWidget,
        error_messages={"required": _("Choose at least one field to match.")},
    )

    again = forms.BooleanField(label=_("Remove them and add them again"), required=False)

    not_yet = ("Facebook", "Google", "Pinterest", "Snapchat")  # partners, for "Coming later"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.resends = False  # whether saving sends people again; set by `clean`
        accounts = AdAccount.objects.filter(
            connection__app_group_id=self.step.canvas.app_group_id, is_chosen=True
        )
        self.accounts = accounts.exclude(connection__token_sealed="").select_related(
            "connection__app_group"
        )
        _offer(self, "ad_account", self.accounts)
        self.fields["ad_account"].widget.attrs |= self._asking_for_audiences()
        account = self.ad_account_chosen
        self.audiences = (
            audiences.choices(account).order_by("-is_appendable", "name", "pk")
            if account
            else Audience.objects.none()
        )
        _offer(self, "audience", self.audiences)
        self.fields["kinds"].widget.form = self
        self.fields["removes"].initial = removes_at_first(self.step)
        self._name_partner()
        if self.step.sync and not self.is_bound and "typed" not in self.initial:
            self.initial["audience_name"] = self.step.sync.audience.name

    def _name_partner(self) -> None:
        """Fill the partner into the texts, and offer the fields that it takes."""
        managers = [partner.ads_manager for partner in self.partners]
        self.fields["audience_name"].help_text = gettext("Only visible in %(ads_manager)s.") % {
            "ads_manager": " / ".join(managers)
        }
        text = gettext("Hashed before they leave; %(partner)s never gets them in clear.")
        kinds = self.fields["kinds"]
        assert isinstance(kinds, forms.MultipleChoiceField)
        kinds.help_text = text % {"partner": self.partner_label}
        kinds.widget.choices = [
            field for field in FIELD_NAMES.items() if field[0] in self.kinds_taken
        ]

    def _asking_for_audiences(self) -> dict[str, str]:
        """Return the htmx attributes that load the audiences of another ad account."""
        canvas = self.step.canvas
        return {
            "hx-get": reverse(
                "step_choices", args=[canvas.app_group.slug, canvas.pk, self.step.pk]
            ),
            "hx-trigger": "change",
            "hx-include": "closest form",
            "hx-params": "not csrfmiddlewaretoken",
            "hx-target": "#audience-fields",
            "hx-swap": "outerHTML",
        }

    @cached_property
    def has_accounts(self) -> bool:
        """Return whether there is an ad account to choose."""
        return self.accounts.exists()

    @cached_property
    def ad_account_chosen(self) -> AdAccount | None:
        """Return the account in the data or the settings; None if it is not one of the group."""
        try:
            account: AdAccount | None = self.fields["ad_account"].clean(self["ad_account"].value())
        except ValidationError:
            return None
        return account

    @cached_property
    def partners(self) -> list[Partner]:
        """Return the partner of the chosen ad account; without one, those of all ad accounts."""
        if account := self.ad_account_chosen:
            return [registry.get(account.connection.partner)]
        partner_keys = set(self.accounts.values_list("connection__partner", flat=True))
        return [partner for partner in registry.PARTNERS if partner.key in partner_keys] or list(
            registry.PARTNERS
        )

    @property
    def kinds_taken(self) -> set[str]:
        """Return the fields that the partner takes."""
        return {kind for partner in self.partners for kind in partner.kinds}

    @property
    def partner_label(self) -> str:
        """Return the names of `partners`."""
        return registry.names(self.partners)

    @property
    def has_several_partners(self) -> bool:
        """Return whether ad accounts may belong to different partners."""
        return len(registry.PARTNERS) > 1

    @property
    def small_audience(self) -> str:
        """Return the warning about audiences too small for ads."""
        return small_audience(self.partners)

    @property
    def connect_url(self) -> str:
        """Return the page on which an admin connects."""
        return connect_url(self.step.canvas.app_group.slug)

    @property
    def typed_name(self) -> str:
        """Return the typed name of an audience."""
        return str(self["audience_name"].value() or "").strip()

    @cached_property
    def coverage(self) -> Coverage | None:
        """Return how many profiles of the entry segment have each field today."""
        segment = self.step.canvas.segment
        return coverage(filters.members(segment)) if segment else None

    def with_count(self, kind: str, label: Text) -> str:
        """Return text such as: E-mail (2,950 of 3,120)."""
        if self.coverage is None:
            return str(label)
        n, total = self.coverage.by_kind[kind], self.coverage.total
        params = {"field": label, "n": number_format(n), "of": number_format(total)}
        # makemessages finds no text inside an f-string.
        return gettext("%(field)s (%(n)s of %(of)s)") % params

    def clean_kinds(self) -> list[str]:
        """Refuse fields that the partner of the ad account does not take."""
        kinds: list[str] = self.cleaned_data["kinds"]
        if refused := [str(FIELD_NAMES[kind]) for kind in kinds if kind not in self.kinds_taken]:
            text = gettext("%(partner)s does not take these fields: %(fields)s.")
            params = {"partner": self.partner_label, "fields": ", ".join(refused)}
            raise ValidationError(text % params)
        return kinds

    def clean(self) -> dict[str, Any]:
        """Require an audience that takes people: the chosen one or the only one of a typed name."""
        cleaned = super().clean() or {}
        if "audience" in self.errors or "audience_name" in self.errors:
            return cleaned
        name = cleaned.get("audience_name", "")
        if name and not cleaned.get("ad_account"):
            return cleaned  # the audience depends on the account
        audience = cleaned.get("audience") or self._named(name)
        if audience and why_not(audience):
            self.add_error("audience_name", f"{audience.name}: {why_not(audience)}")
        cleaned["audience"] = audience
        if "kinds" not in self.errors and (n := resend.n_people(self.step, cleaned)):
            self._ask_to_resend(n, ticked=cleaned.get("again", False))
        return cleaned

    def _ask_to_resend(self, n: int, *, ticked: bool) -> None:
        """Require the tick ``again``; refuse the new fields if people could not enter again."""
        if refused := resend.why_not(self.step.canvas):
            self.add_error("kinds", refused)
            return
        self.resends = True
        if not ticked:
            self.add_error("again", resend.sentence(self.step.canvas, n))

    def _named(self, name: str) -> Audience | None:
        """Return the audience with a typed name; add an error unless there is exactly one."""
        matches = list(self.audiences.filter(name=name)[:2]) if name else []
        if len(matches) == 1:
            return matches[0]
        if matches:
            text = gettext("Several audiences have this name. Choose one from the list.")
        elif name:
            text = gettext("“%(name)s” does not exist yet. Press Create audience.") % {"name": name}
        else:
            text = gettext("Choose an audience, or type a name for a new one.")
        self.add_error("audience_name", text)
        return None

    def settings(self) -> dict[str, Any]:
        """Return ids, the action, the fields in their fixed order, and ``removes`` if ticked."""
        cleaned = self.cleaned_data
        settings: dict[str, Any] = {
            "ad_account": cleaned["ad_account"].pk,
            "audience": cleaned["audience"].pk,
            "action": cleaned["action"],
            "kinds": [kind for kind in KINDS if kind in cleaned["kinds"]],
        }
        # ``removes`` is left out if it is off, as in settings from before this choice existed.
        if cleaned["removes"] and cleaned["action"] == Action.ADD:
            settings["removes"] = True
        return settings


def removes_at_first(step: Step) -> bool:
    """Return whether "Remove people again" is ticked at first in the form of a new step."""
    return not step.settings and step.canvas.entry_by == Canvas.EntryBy.SEGMENT


def _offer(form: forms.Form, name: str, rows: QuerySet[Any]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ModelChoiceField)
    field.queryset = rows


def connect_url(group: str) -> str:
    """Return the page on which an admin connects: the partner's, or the list of several."""
    if len(registry.PARTNERS) == 1:
        return reverse("partner", args=[group, registry.default().key])
    return reverse("partners", args=[group])


def small_audience(partners: Sequence[Partner]) -> str:
    """Return the warning about audiences too small for ads at these partners."""
    text = gettext(
        "Audiences of fewer than about %(min)s people cannot be used for ads, "
        "and %(partner)s may refuse to make one so small."
    )
    smallest = max(partner.smallest_audience for partner in partners)
    return text % {"partner": registry.names(partners), "min": number_format(smallest)}


def audience_note(audience: Audience) -> str:
    """Return id, type and size of an audience and, if it takes no people, why."""
    size = number_format(audience.size) if audience.size else gettext("no size yet")
    return " · ".join(
        part
        for part in (audience.remote_id, audiences.type_of(audience), size, why_not(audience))
        if part
    )


def why_not(audience: Audience) -> str:
    """Return why people cannot be sent to ``audience``; empty if they can."""
    if not audience.is_appendable:
        return audiences.why_not(audience) or gettext(
            "%(partner)s does not let us add people to this audience."
        ) % {"partner": audiences.partner_of(audience.ad_account).label}
    return ""
