"""Forms of the partner pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from partners.connections.oauth import Offer


class ChooseForm(forms.Form):
    """Which ad accounts of an offer to connect. ``confirm``: steps that lose theirs may lose them."""

    ad_accounts = forms.MultipleChoiceField(
        label=_("Ad accounts"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Choose at least one ad account."),
            "invalid_choice": _(
                "One of these ad accounts is not among those of the TikTok user. Choose again."
            ),
        },
    )
    confirm = forms.BooleanField(label=_("Yes, these steps may stop sending"), required=False)

    def __init__(self, *args: Any, offer: Offer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["ad_accounts"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(one.id, one.name) for one in offer.ad_accounts]


class DisconnectForm(forms.Form):
    """What becomes of the people who still wait. Nobody is asked where nobody waits."""

    people = forms.ChoiceField(
        label=_("What shall become of the waiting people?"),
        widget=forms.RadioSelect,
        choices=[
            (
                "wait",
                deadlines.lazy_text(
                    _("They wait: if TikTok is connected again within %(patience)s, they are sent")
                ),
            ),
            ("discard", _("Discard them: they will never be sent, and count as cancelled")),
        ],
        error_messages={"required": _("Choose what shall become of the waiting people.")},
    )

    def __init__(self, *args: Any, n_pending: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not n_pending:
            del self.fields["people"]

    @property
    def is_discard(self) -> bool:
        """Whether the waiting people go too."""
        return bool(self.cleaned_data.get("people") == "discard")
