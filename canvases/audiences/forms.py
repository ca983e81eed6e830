"""Forms of the audience pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.forms import regions
from audiencesync.groups.models import AppGroup
from partners import audiences
from partners.base import Lookalike
from partners.models import AdAccount, Audience

LONGEST_NAME = 255  # characters
SUFFIX = " lookalike"  # of the name that is suggested for a lookalike


class NewAudienceForm(forms.Form):
    """A new audience: its ad account and name."""

    ad_account = forms.ModelChoiceField(AdAccount.objects.none(), label=_("Ad account"))
    name = forms.CharField(label=_("Name of the new audience"), max_length=LONGEST_NAME)

    def __init__(self, *args: Any, app_group: AppGroup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        accounts = AdAccount.objects.filter(connection__app_group=app_group, is_chosen=True)
        usable = accounts.exclude(connection__token_sealed="").select_related(
            "connection__app_group"
        )
        field: Any = self.fields["ad_account"]
        field.queryset, field.empty_label = usable, None


class LookalikeForm(forms.Form):
    """A lookalike of an audience."""

    name = forms.CharField(label=_("Name of the lookalike"), max_length=LONGEST_NAME)
    country = forms.ChoiceField(label=_("Country"))
    reach = forms.ChoiceField(label=_("How wide"))

    def __init__(self, *args: Any, source: Audience, **kwargs: Any) -> None:
        reaches = audiences.partner_of(source.ad_account).lookalike_reaches
        kwargs["initial"] = {
            "name": f"{source.name[: LONGEST_NAME - len(SUFFIX)]}{SUFFIX}",
            "country": source.ad_account.connection.app_group.phone_region,
            "reach": list(reaches)[len(reaches) // 2],
        }
        super().__init__(*args, **kwargs)
        country: Any = self.fields["country"]
        country.choices = [(one, one) for one, _code in regions()]
        reach: Any = self.fields["reach"]
        reach.choices = list(reaches.items())

    def wanted(self) -> Lookalike:
        """Return the lookalike to create. Only for valid forms."""
        return Lookalike(**self.cleaned_data)
