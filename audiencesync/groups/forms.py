"""Forms of the groups app."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import available_timezones

import phonenumbers
from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines, partner_names
from audiencesync.core.web.edited_meanwhile import EditedMeanwhile
from audiencesync.groups.api_keys import SCOPES
from audiencesync.groups.models import Activity, ApiKey, AppGroup, Invitation, Role


class InvitationForm(forms.ModelForm):
    """An invitation: address and role."""

    class Meta:
        model = Invitation
        fields = ["email", "role"]

    def __init__(self, *args: Any, app_group: AppGroup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.app_group = app_group
        self.fields["email"].widget.attrs["autocomplete"] = "off"
        self.fields["role"].help_text = _(
            "Viewers see everything, marketers build and launch canvases, "
            "admins also connect partners and invite members."
        )

    def clean_email(self) -> str:
        """Return the address in lower case; refuse that of a member."""
        email: str = self.cleaned_data["email"].strip().lower()
        if self.app_group.memberships.filter(user__email=email).exists():
            raise forms.ValidationError(_("This person is a member already."))
        return email


class RoleForm(forms.Form):
    """Another role for a member."""

    role = forms.ChoiceField(label=_("Role"), choices=Role.choices)


def zones() -> list[tuple[str, str]]:
    """Return choices of time zones, without aliases such as EST."""
    return [
        (name, name.replace("_", " "))
        for name in sorted(available_timezones())
        if "/" in name or name == "UTC"
    ]


def regions() -> list[tuple[str, str]]:
    """Return choices of countries, with their calling codes."""
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)
    return [
        (region, f"{region} (+{phonenumbers.country_code_for_region(region)})")
        for region in regions
    ]


class GroupForm(EditedMeanwhile, forms.ModelForm):
    """The settings of a group."""

    time_zone = forms.ChoiceField(
        label=_("Time zone"), choices=zones, help_text=_("All times of this group are shown in it.")
    )
    phone_region = forms.ChoiceField(
        label=_("Default country of phone numbers"),
        choices=regions,
        help_text=_(
            "For phone numbers written without a country code. "
            "It applies to numbers saved from now on."
        ),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=settings.LANGUAGES,
        required=False,
        help_text=_("Of mails to members who have not chosen one in their own menu."),
    )
    quota_stops_clock = forms.BooleanField(
        label=_("Wait longer while a partner's daily limit is used up"),
        required=False,
        help_text=deadlines.with_retry_time(
            _(
                "People who cannot be sent count as errors after %(retry_time)s. "
                "With this, up to 24 hours of such a pause do not count."
            )
        ),
    )

    hash_only = forms.BooleanField(
        label=_("Store hashes only"),
        required=False,
        help_text=partner_names.fill(
            _(
                "E-mails, phone numbers and device IDs are kept as hashes only; "
                "%(partner)s gets the same. What is stored now is wiped, for good."
            )
        ),
    )
    consent_attribute = forms.CharField(
        label=_("Attribute that tells consent to advertising"),
        required=False,
        max_length=80,
        help_text=_(
            "The name of a custom attribute. Leave it empty if consent is sent as ads_consent."
        ),
    )
    consent_values = forms.CharField(
        label=_("Values that count as consent"),
        required=False,
        max_length=200,
        help_text=_("Separated by commas; upper and lower case are the same."),
    )
    consent_required = forms.BooleanField(
        label=_("Leave out people whose consent is unknown"),
        required=False,
        help_text=_("They count as not synced. Removals are always sent."),
    )
    remove_on_withdrawal = forms.BooleanField(
        label=_("Remove people who withdraw consent from every audience"), required=False
    )

    suppression_days = forms.IntegerField(
        label=_("Days for which imports reject erased people"),
        required=False,
        min_value=1,
        max_value=3650,
        help_text=_(
            "For this time no import brings back an e-mail or phone of a person who was erased. "
            "Their old ID stays blocked until an admin releases it under Erasures."
        ),
    )

    class Meta:
        model = AppGroup
        fields = [
            "name",
            "time_zone",
            "phone_region",
            "language",
            "quota_stops_clock",
            "hash_only",
            "consent_attribute",
            "consent_values",
            "consent_required",
            "remove_on_withdrawal",
            "suppression_days",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["consent_values"] = ", ".join(self.instance.consent_values)
        self.keep_changes_of_others()

    def clean_name(self) -> str:
        """Return the name as one line, because it is part of mail subjects."""
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean_language(self) -> str:
        """Keep the stored value if none was sent."""
        return str(self.cleaned_data["language"] or self.instance.language)

    def clean_suppression_days(self) -> int:
        """Keep the stored value if none was sent."""
        return int(self.cleaned_data["suppression_days"] or self.instance.suppression_days)

    def clean_consent_values(self) -> list[str]:
        """Return the values between the commas without duplicates."""
        values = (value.strip() for value in self.cleaned_data["consent_values"].split(","))
        return list(dict.fromkeys(value for value in values if value))

    def clean(self) -> dict[str, Any]:
        """Require a value for an attribute: without one no profile would have consent."""
        cleaned = super().clean() or {}
        if cleaned.get("consent_attribute") and not cleaned.get("consent_values"):
            self.add_error("consent_values", _("Name at least one value that counts as consent."))
        return cleaned

    @property
    def wipes_identifiers(self) -> bool:
        """Return whether raw identifiers will be deleted, which needs a confirmation."""
        return "hash_only" in self.changed_data and bool(self.cleaned_data.get("hash_only"))

    @property
    def changes_profiles(self) -> bool:
        """Return whether stored profiles must be updated, too (people/writing/rework.py)."""
        privacy_fields = {"hash_only", "consent_attribute", "consent_values", "consent_required"}
        return not privacy_fields.isdisjoint(self.changed_data)


class ApiKeyForm(forms.ModelForm):
    """A new key. Its scopes cannot be changed later."""

    scopes = forms.MultipleChoiceField(
        label=_("What it may do"), choices=list(SCOPES.items()), widget=forms.CheckboxSelectMultiple
    )
    lifetime = forms.ChoiceField(
        label=_("Valid for"),
        choices=[
            ("30", _("30 days")),
            ("90", _("90 days")),
            ("365", _("one year")),
            ("", _("until it is revoked")),
        ],
        required=False,
        initial="365",
    )

    class Meta:
        model = ApiKey
        fields = ["name"]

    def expires_at(self, *, now: datetime) -> datetime | None:
        """Return when the key expires, or None."""
        days = self.cleaned_data["lifetime"]
        return now + timedelta(days=int(days)) if days else None


# Dates whose midnights can be computed in every time zone.
DAY_BOUNDS = (MinValueValidator(date(1900, 1, 1)), MaxValueValidator(date(9000, 1, 1)))


class ActivityFilter(forms.Form):
    """Filter of the activity log. Days are those of the group's time zone, both included."""

    q = forms.CharField(label=_("Name"), required=False, max_length=200)
    kind = forms.ChoiceField(label=_("Of what"), required=False)
    verb = forms.ChoiceField(label=_("What"), required=False)
    person = forms.ChoiceField(label=_("Who"), required=False)
    since = forms.DateField(
        label=_("From day"),
        required=False,
        validators=DAY_BOUNDS,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
    )
    until = forms.DateField(
        label=_("To day"),
        required=False,
        validators=DAY_BOUNDS,
        widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"),
    )

    def __init__(self, *args: Any, people: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = {
            "kind": [("", _("Everything")), *Activity.Kind.choices],
            "verb": [("", _("Everything")), *Activity.Verb.choices],
            "person": [("", _("Everybody")), *people],
        }
        for name, allowed in choices.items():
            self.fields[name].choices = allowed  # type: ignore[attr-defined]  # a ChoiceField
