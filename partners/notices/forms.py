"""Forms of the page Notifications: what a member wants to hear of, and the webhook."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Membership
from partners.models import NoticeChoice, Webhook
from partners.models.webhooks import MAX_URL
from partners.notices import webhooks

_URL = re.compile(r"https?://[^\s/?#@\\]+(?:/[^\s#\\]*)?(?:\?[^\s#\\]*)?", re.ASCII)


class ChoiceForm(forms.ModelForm):
    """The choice of one member; ``prefix`` names the membership."""

    class Meta:
        model = NoticeChoice
        fields = ("connections", "steps")
        labels = {"connections": _("Connections and ad accounts"), "steps": _("Audiences of steps")}


def of_members(
    members: Iterable[Membership], data: QueryDict | None = None
) -> list[tuple[Membership, ChoiceForm]]:
    """Return each member with a form of the choice."""
    found = []
    for member in members:
        choice = getattr(member, "notice_choice", None) or NoticeChoice(membership=member)
        prefix = f"member-{member.pk}"
        mine = data if data is not None and f"{prefix}-steps" in data else None
        found.append((member, ChoiceForm(mine, instance=choice, prefix=prefix)))
    return found


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
        parts = _parts(url)
        if parts is None or len(url) > MAX_URL:
            raise forms.ValidationError(
                _("Type an address such as https://hooks.example.org/sync, without a password.")
            )
        scheme, host = parts
        if scheme != "https" and not settings.WEBHOOK_ALLOW_PRIVATE:
            raise forms.ValidationError(_("The address must begin with https://."))
        if _is_address(host) and not webhooks.is_allowed(host):
            raise forms.ValidationError(
                _("This address is inside a private network; webhooks go to public ones only.")
            )
        return url


def _parts(url: str) -> tuple[str, str] | None:
    """Return scheme and host of a URL, or None if it is not well formed."""
    if not _URL.fullmatch(url):
        return None
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return None
    return (parts.scheme, parts.hostname) if parts.hostname else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
