"""Tags of the kit: icons, navigation links, query strings."""

from typing import Any

from django import template
from django.template.context import Context
from django.templatetags.static import static
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def icon(name: str, css: str = "") -> SafeString:
    """A symbol of static/icons.svg, hidden from screen readers: the words stand beside it."""
    return format_html(
        '<svg class="icon {}" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        css,
        static("icons.svg"),
        name,
    )


@register.inclusion_tag("_nav_link.html", takes_context=True)
def nav_link(context: Context, url_name: str, label: str, icon_name: str = "", css: str = "nav-link") -> dict[str, Any]:
    """A link to a page of the current group, marked when it is the current one; nothing if there is no such page."""
    group = context.get("app_group")
    try:
        url = reverse(url_name, args=[group.slug] if group else [])
    except NoReverseMatch:
        url = ""
    request = context.get("request")
    return {
        "url": url,
        "label": label,
        "icon_name": icon_name,
        "css": css,
        "is_current": bool(request and url and _leads_to(url, request.path, exact=css == "dropdown-item")),
    }


def _leads_to(url: str, path: str, *, exact: bool) -> bool:
    return path == url if exact else path.startswith(url)


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: object) -> str:
    """The query string of this page with ``changes``; None takes a parameter away. Numbers stay unlocalised."""
    params = context["request"].GET.copy()
    for name, value in changes.items():
        params.pop(name, None)
        if value is not None:
            params[name] = str(value)
    return "?" + params.urlencode()
