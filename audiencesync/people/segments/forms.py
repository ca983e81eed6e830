"""The search forms of lists of people."""

from django import forms
from django.utils.translation import gettext_lazy


class ProfileSearch(forms.Form):
    """The search of the list of profiles."""

    q = forms.CharField(
        label=gettext_lazy("Search"),
        required=False,
        max_length=320,
        help_text=gettext_lazy(
            "A name, a part of an e-mail address, the beginning of an external ID,"
            " or a whole alias or phone number."
            " Viewers search by whole addresses."
        ),
    )


class WholeSearch(forms.Form):
    """The search of the people behind a number."""

    q = forms.CharField(
        label=gettext_lazy("Search in this list"),
        required=False,
        max_length=320,
        help_text=gettext_lazy("A whole external ID, e-mail address, phone number or alias."),
    )
