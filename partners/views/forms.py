"""Forms of the partner pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from partners.base import Partner
from partners.connections.oauth import Offer


class ChooseForm(forms.Form):
    """The ad accounts to connect.

    ``confirm``: needed if steps lose their ad account, or are sent through another user.
    """

    ad_accounts = forms.MultipleChoiceField(
        label=_("Ad accounts"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Choose at least one ad account."),
        },
    )
    confirm = forms.BooleanField(
        label=_("Yes, these components may stop sending or change their access"), required=False
    )

    def __init__(self, *args: Any, offer: Offer, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["ad_accounts"]
        assert isinstance(field, forms.MultipleChoiceField)
        text = _(
            "One of these ad accounts is not among those of the %(partner)s user. Choose again."
        )
        field.error_messages["invalid_choice"] = text % {"partner": partner.label}
        field.choices = [(ad_account.id, ad_account.name) for ad_account in offer.ad_accounts]


class DisconnectForm(forms.Form):
    """What happens to pending people. If there are none, the form has no field."""

    people = forms.ChoiceField(
        label=_("What should happen to the pending people?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose what should happen to the pending people.")},
    )

    def __init__(self, *args: Any, n_pending: int, partner: Partner, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        wait_label = _(
            "They wait: if %(partner)s is connected again within %(retry_time)s, they are sent"
        )
        params = {"partner": partner.label, "retry_time": deadlines.delivery_text()}
        field = self.fields["people"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            ("wait", wait_label % params),
            (
                "discard",
                _(
                    "Discard them: they will never be sent, and count as cancelled. "
                    "Removals of people who left their canvas wait"
                ),
            ),
        ]
        if not n_pending:
            del self.fields["people"]

    @property
    def is_discard(self) -> bool:
        """Return whether the pending people are discarded."""
        return bool(self.cleaned_data.get("people") == "discard")
