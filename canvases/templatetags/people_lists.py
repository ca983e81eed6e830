"""Numbers as links to the people they count."""

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from canvases.models import Step
from canvases.people_lists import links
from canvases.people_lists.numbers import NAMES

register = template.Library()


@register.simple_tag
def people_url(step: Step, number: str, reason: str | None = None) -> str:
    """Return the address of the people of a number of a step."""
    return links.step_people(step, number, reason)


@register.simple_tag
def people_link(step: Step, number: str, n: int | None, reason: str | None = None) -> SafeString:
    """Show a number of a step as a link to its people; zero is no link."""
    if n is None:
        return format_html("–")
    if not n or number not in NAMES:
        return format_html("{}", number_format(n))
    return format_html(
        '<a class="number-link" href="{}">{}<span class="visually-hidden"> {}</span></a>',
        links.step_people(step, number, reason),
        number_format(n),
        _("people: show them"),
    )
