"""Forms of the audience pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from partners.models import AdAccount


class NewAudienceForm(forms.Form):
    """A new audience: its ad account and name."""

    ad_account = forms.ModelChoiceField(AdAccount.objects.none(), label=_("Ad account"))
    name = forms.CharField(label=_("Name of the new audience"), max_length=255)

    def __init__(self, *args: Any, app_group: AppGroup, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = AdAccount.objects.filter(connection__app_group=app_group, is_chosen=True)
        usable = chosen.exclude(connection__token_sealed="").select_related("connection__app_group")
        self.fields["ad_account"].queryset = usable  # type: ignore[attr-defined]  # a ModelChoiceField
        self.fields["ad_account"].empty_label = None  # type: ignore[attr-defined]  # the same
