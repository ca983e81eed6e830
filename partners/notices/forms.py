"""Forms of the page Notifications: the choices of members, thresholds, the webhook."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.http import QueryDict
from django.utils.formats import number_format
from django.utils.translation import gettext_lazy as _

from audiencesync.core.web.edited_meanwhile import EditedMeanwhile
from audiencesync.groups.models import Membership
from partners.base import Partner
from partners.incidents import thresholds
from partners.models import NoticeChoice, Thresholds, Webhook
from partners.models.webhooks import MAX_URL
from partners.notices import webhooks

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_URL = re.compile(r"https?://[^\s/?#@\\]+(?:/[^\s#\\]*)?(?:\?[^\s#\\]*)?", re.ASCII)


class ChoiceForm(EditedMeanwhile, forms.ModelForm):
    """What one member is notified of; ``prefix`` names the membership."""

    class Meta:
        model = NoticeChoice
        fields = ("connections", "steps")
        labels = {
            "connections": _("Connections and ad accounts"),
            "steps": _("Audiences of components"),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.keep_changes_of_others()


def of_members(
    members: Iterable[Membership], data: QueryDict | None = None
) -> list[tuple[Membership, ChoiceForm]]:
    """Return each member with a form, bound if ``data`` has fields of this member."""
    member_forms = []
    for member in members:
        choice = getattr(member, "notice_choice", None) or NoticeChoice(membership=member)
        prefix = f"member-{member.pk}"
        posted = data if data is not None and f"{prefix}-steps" in data else None
        member_forms.append((member, ChoiceForm(posted, instance=choice, prefix=prefix)))
    return member_forms


class ThresholdsForm(EditedMeanwhile, forms.ModelForm):
    """The thresholds at which the group is warned; an empty field stands for the default."""

    class Meta:
        model = Thresholds
        fields = ("error_percent", "backlog_minutes", "audiences_left", "fewest_people")
        labels = {
            "error_percent": _("Errored people of a component within two hours, in per cent"),
            "backlog_minutes": _("Requests to an ad account fail, in minutes"),
            "audiences_left": _("Audiences that still fit into an ad account"),
            "fewest_people": _("Matched people of an audience after 48 hours"),
        }

    def __init__(self, *args: Any, partners: Sequence[Partner], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        max_minutes = int(settings.SYNC.deadline // 60)
        fewest_by_partner = ", ".join(
            f"{number_format(partner.smallest_audience)} ({partner.label})" for partner in partners
        )
        percent = thresholds.MAX_ERRORED_PERCENT
        minutes, audiences_left = thresholds.backlog_minutes(), thresholds.MIN_AUDIENCES_LEFT
        self._limit("error_percent", 1, 100, _("More than this; 100: never."), str(percent))
        backlog = number_format(minutes)
        self._limit("backlog_minutes", 1, max_minutes, _("At least this long."), backlog)
        self._limit("audiences_left", 0, 10_000, _("At most this many."), str(audiences_left))
        self._limit("fewest_people", 0, 10**9, _("Fewer than this; 0: never."), fewest_by_partner)
        self.keep_changes_of_others()

    def _limit(
        self, name: str, min_value: int, max_value: int, meaning: StrOrPromise, default: str
    ) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.IntegerField)
        field.validators += [MinValueValidator(min_value), MaxValueValidator(max_value)]
        field.widget.attrs.update(
            min=min_value, max=max_value, placeholder=default, inputmode="numeric"
        )
        params = {"meaning": meaning, "default": default}
        field.help_text = _("%(meaning)s Empty: %(default)s.") % params


class WebhookForm(forms.ModelForm):
    """The address of the webhook: https, and not inside the network of this installation."""

    class Meta:
        model = Webhook
        fields = ("url",)
        labels = {"url": _("Address of the webhook")}
        widgets = {"url": forms.URLInput(attrs={"placeholder": "https://hooks.example.org/sync"})}
        error_messages = {"url": {"required": _("Type an address that begins with https://.")}}

    def clean_url(self) -> str:
        """Refuse other schemes, names with passwords, and private addresses."""
        url: str = self.cleaned_data["url"].strip()
        scheme_and_host = _scheme_and_host(url)
        if scheme_and_host is None or len(url) > MAX_URL:
            raise forms.ValidationError(
                _("Type an address such as https://hooks.example.org/sync, without a password.")
            )
        scheme, host = scheme_and_host
        if scheme != "https" and not settings.WEBHOOK_ALLOW_PRIVATE:
            raise forms.ValidationError(_("The address must begin with https://."))
        if _is_ip_address(host) and not webhooks.is_allowed(host):
            raise forms.ValidationError(
                _("This address is inside a private network; webhooks go to public ones only.")
            )
        return url


def _scheme_and_host(url: str) -> tuple[str, str] | None:
    """Return scheme and host of a URL, or None if it is not well formed."""
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises ValueError if it is not a port
    except ValueError:
        return None
    return (parts.scheme, parts.hostname) if parts.hostname else None


def _is_ip_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
