"""Tags of the kit: icons, navigation links, query strings, moments."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audiencesync.core import patience

register = template.Library()
ZONES = {"CET": _("CET"), "CEST": _("CEST")}  # those that have a name in German


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """A symbol of static/icons.svg, hidden from screen readers: the words stand beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        css,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def retry_time() -> str:
    """How long people are tried for before they count as errored, in words."""
    return patience.retry()


@register.simple_tag
def removal_time() -> str:
    """How long a removal is tried that an erasure asks for, in words."""
    return patience.removal()


@register.inclusion_tag("_nav_link.html", takes_context=True)
def nav_link(
    context: Context, url_name: str, label: str, icon_name: str, *beside: str
) -> dict[str, Any]:
    """A link to a page of the group, or to one of no group, marked when it is the current one or one ``beside`` it."""
    group, request = context.get("app_group"), context.get("request")
    of_group = [group.slug] if group else []
    url = _address(url_name, of_group) or _address(url_name, [])
    places = tuple(filter(None, (url, *(_address(name, of_group) for name in beside))))
    return {
        "url": url,
        "label": label,
        "icon_name": icon_name,
        "is_current": bool(request and places and request.path.startswith(places)),
    }


def _address(url_name: str, args: list[str]) -> str:
    """Empty if there is no such page."""
    try:
        return reverse(url_name, args=args)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The query string of this page with ``changes``; None takes a parameter away. Numbers stay unlocalised."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value is not None:
            params[name] = str(value)
    return f"?{params.urlencode()}"


@register.simple_tag(takes_context=True)
def moment(context: Context, at: datetime | None) -> str:
    """A moment in the time zone of the group, which it names; a dash for none."""
    if at is None:
        return "–"
    group = context.get("app_group")
    local = timezone.localtime(at, ZoneInfo(group.time_zone) if group else None)
    zone = ZONES.get(local.tzname() or "", local.tzname())
    words = f"{date_format(local, 'DATETIME_FORMAT')} {zone}"
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), words)
