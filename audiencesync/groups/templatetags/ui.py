"""Template tags: icons, navigation links, query strings, timestamps, deadlines."""

from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from audiencesync.core.charts import bars

register = template.Library()
ZONE_NAMES = {"CET": _("CET"), "CEST": _("CEST")}  # time zones with a German abbreviation


@register.simple_tag
@lru_cache(maxsize=512)
def icon(name: str, css: str = "") -> SafeString:
    """A symbol of static/icons.svg, hidden from screen readers, which read the text beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        css,
        static("icons.svg"),
        name,
    )


@register.simple_tag
def retry_time() -> str:
    """The deadline of deliveries in words."""
    return deadlines.delivery_text()


@register.simple_tag
def removal_time() -> str:
    """The deadline of removals after an erasure in words."""
    return deadlines.removal_text()


@register.inclusion_tag("_nav_link.html", takes_context=True)
def nav_link(
    context: Context, url_name: str, label: str, icon_name: str, *also_current: str
) -> dict[str, Any]:
    """A link to a page of the group, or to one outside groups.

    It is marked as current on its page and on the pages with the URL names ``also_current``.
    """
    group, request = context.get("app_group"), context.get("request")
    group_args = [group.slug] if group else []
    url = _url(url_name, group_args) or _url(url_name, [])
    paths = tuple(filter(None, (url, *(_url(name, group_args) for name in also_current))))
    return {
        "url": url,
        "label": label,
        "icon_name": icon_name,
        "is_current": bool(request and paths and request.path.startswith(paths)),
    }


def _url(url_name: str, args: list[str]) -> str:
    """Return an empty text if there is no such page."""
    try:
        return reverse(url_name, args=args)
    except NoReverseMatch:
        return ""


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The query string of this page with ``changes``; None removes a parameter."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value is not None:
            params[name] = str(value)
    return f"?{params.urlencode()}"


@register.filter
def signed(n: int) -> str:
    """A number with its sign, as people of the language write it."""
    return f"+{number_format(n)}" if n > 0 else number_format(n)


@register.simple_tag(takes_context=True)
def timestamp(context: Context, at: datetime | None) -> str:
    """A timestamp with its time zone, that of the group; a dash for None."""
    if at is None:
        return "–"
    group = context.get("app_group")
    local = timezone.localtime(at, ZoneInfo(group.time_zone) if group else None)
    zone = ZONE_NAMES.get(local.tzname() or "", local.tzname())
    text = f"{date_format(local, 'DATETIME_FORMAT')} {zone}"
    return format_html('<time datetime="{}">{}</time>', at.isoformat(timespec="seconds"), text)


@register.simple_tag(takes_context=True)
def clock(
    context: Context, at: datetime | None, *, seconds: bool = False, zoned: bool = True
) -> str:
    """A time of day in the time zone of the group, which it names; with the day if not today."""
    if at is None:
        return "–"
    group = context.get("app_group")
    zone = ZoneInfo(group.time_zone) if group else None
    local, today = timezone.localtime(at, zone), timezone.localtime(timezone.now(), zone)
    time_of_day = date_format(local, "H:i:s" if seconds else "H:i")
    day = "" if local.date() == today.date() else f"{bars.day(local)}, "
    name = f" {ZONE_NAMES.get(local.tzname() or '', local.tzname())}" if zoned else ""
    return f"{day}{time_of_day}{name}"
