"""Words about partners: the status of an ad account, and the banner of broken connections."""

from typing import Any

from django import template
from django.template.context import Context
from django.urls import reverse
from django.utils.translation import gettext as _

from partners import audiences
from partners.base import Partner
from partners.connections.problems import Problem
from partners.health import lines
from partners.models import Audience

register = template.Library()


@register.filter
def ad_account_status(status: str, partner: Partner) -> str:
    """Return the status of an ad account in words; an unknown one in the partner's own words."""
    if not status:
        return _("Unknown")
    raw_words = status.removeprefix("STATUS_").replace("_", " ").capitalize()
    return str(partner.ad_account_statuses.get(status, raw_words))


@register.filter
def audience_type(audience: Audience) -> str:
    """Return the type of an audience in words."""
    return audiences.type_of(audience)


@register.filter
def is_active_in(status: str, partner: Partner) -> bool:
    """Return whether ads can run in an ad account with this status."""
    return not status or status in partner.active_statuses


@register.inclusion_tag("partners/_trouble.html", takes_context=True)
def trouble(context: Context) -> dict[str, Any]:
    """Show the banner of a group's page: connections that live canvases need and that fail.

    One query, one more if there are any.
    """
    return {
        "problems": _banner_problems(context),
        "may_admin": context.get("may_admin", True),
        "app_group": context.get("app_group"),
    }


@register.simple_tag(takes_context=True)
def in_banner(context: Context, url: str) -> bool:
    """Return whether the banner already shows a problem that is solved at ``url``."""
    return bool(url) and any(problem.url == url for problem in _banner_problems(context))


def _banner_problems(context: Context) -> list[Problem]:
    """Return the problems for the banner of this page.

    The page Health shows all problems itself, and a page under the url of a problem shows that one.
    """
    app_group = context.get("app_group")
    if app_group is None or context["request"].path == reverse("health", args=[app_group.slug]):
        return []
    problems = lines.banner(app_group)
    path = context["request"].path if problems else ""
    return [problem for problem in problems if not path.startswith(problem.url)]
