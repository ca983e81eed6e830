"""Forms that create an app group, and with the first one the first account."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import password_validation
from django.utils.text import slugify
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core import partner_names
from audiencesync.groups.forms import regions, zones
from audiencesync.groups.models import AppGroup, User

_CHOOSE = ("", _("Choose …"))


def slug_taken_error() -> str:
    """Return the error of an address that another group has."""
    return gettext("An app group has this address already. Choose another one.")


class NewGroupForm(forms.ModelForm):
    """The settings of a new app group. All but its slug can be changed later."""

    slug = forms.SlugField(
        label=_("Address"),
        max_length=50,
        required=False,
        help_text=_(
            "Lower-case letters, digits and hyphens, for the address of the group's pages. "
            "Leave it empty and it is made from the name. It cannot be changed later."
        ),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        choices=lambda: [_CHOOSE, *zones()],
        help_text=_("All times of this group are shown in it."),
    )
    phone_region = forms.ChoiceField(
        label=_("Default country of phone numbers"),
        choices=lambda: [_CHOOSE, *regions()],
        help_text=_("For phone numbers written without a country code."),
    )
    language = forms.ChoiceField(
        label=_("Language"),
        choices=settings.LANGUAGES,
        help_text=_("Of mails to members who have not chosen one in their own menu."),
    )

    class Meta:
        model = AppGroup
        fields = ["name", "slug", "time_zone", "phone_region", "language"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name of the app group")
        self.initial.setdefault("language", get_language() or "en")
        # The form shows no default of the model, so that the user has to choose.
        self.initial["time_zone"] = self.initial["phone_region"] = ""

    def clean_name(self) -> str:
        """Return the name as one line, because it is part of mail subjects."""
        return " ".join(str(self.cleaned_data["name"]).split())

    def clean(self) -> dict[str, Any]:
        """Use the typed slug or make one from the name, in lower case; refuse one that exists."""
        cleaned = super().clean() or {}
        if "slug" in self.errors or "name" in self.errors:
            return cleaned
        slug = slugify(cleaned.get("slug") or cleaned.get("name", ""))[:50].strip("-")
        if not slug:
            self.add_error("slug", _("Type an address: none can be made from this name."))
        elif AppGroup.objects.filter(slug__iexact=slug).exists():
            self.add_error("slug", slug_taken_error())
        cleaned["slug"] = slug
        return cleaned


class RenameForm(forms.ModelForm):
    """Another name for a group; its slug stays."""

    class Meta:
        model = AppGroup
        fields = ["name"]

    def clean_name(self) -> str:
        """Return the name as one line, because it is part of mail subjects."""
        return " ".join(str(self.cleaned_data["name"]).split())


class SetupForm(NewGroupForm):
    """The first account, the first app group and, on request, demo profiles."""

    email = forms.EmailField(
        label=_("Your e-mail address"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    person = forms.CharField(
        label=_("Your name"),
        max_length=120,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_(
            "At least 12 characters, not one of the common passwords, "
            "and not like your name or address."
        ),
    )
    demo_people = forms.BooleanField(
        label=_("Add 5,000 made-up people and two segments to try things out"),
        required=False,
        help_text=partner_names.fill(
            _("With the real %(partner)s leave this empty: made-up people do not exist there.")
        ),
    )

    ACCOUNT = ("email", "person", "password")
    GROUP = ("name", "slug", "time_zone", "phone_region", "language", "demo_people")

    def clean_email(self) -> str:
        """Return the address in lower case; refuse one that has an account."""
        email = str(self.cleaned_data["email"]).strip().lower()
        if User.objects.filter(email=email).exists():
            raise forms.ValidationError(_("There is an account with this address already."))
        return email

    def clean(self) -> dict[str, Any]:
        """Validate the password, which must not resemble name or address."""
        cleaned = super().clean()
        if password := cleaned.get("password"):
            user = User(email=cleaned.get("email", ""), name=cleaned.get("person", ""))
            try:
                password_validation.validate_password(password, user)
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def account(self) -> list[Any]:
        """Return the bound fields of the account."""
        return [self[name] for name in self.ACCOUNT]

    def group(self) -> list[Any]:
        """Return the bound fields of the group."""
        return [self[name] for name in self.GROUP]
