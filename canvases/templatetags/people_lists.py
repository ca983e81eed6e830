"""Numbers as links to the people they count."""

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from canvases.models import Canvas, Step
from canvases.people_lists import links, numbers

register = template.Library()


@register.simple_tag
def people_url(owner: Step | Canvas, number: str, reason: str | None = None) -> str:
    """Return the address of the people of a number of a step or canvas."""
    if isinstance(owner, Step):
        return links.step_people(owner, number, reason)
    return links.canvas_people(owner, number)


@register.simple_tag
def people_link(
    owner: Step | Canvas, number: str, n: int | None, reason: str | None = None
) -> str | SafeString:
    """Show a number of a step or canvas as a link to its people; zero is no link."""
    if n is None:
        return "–"
    if not n or (isinstance(owner, Step) and not numbers.is_of_steps(number)):
        return number_format(n)
    shown, label = number_format(n), _("people: show them")
    return format_html(
        '<a class="people-link" href="{}" aria-label="{} {}">{}</a>',
        people_url(owner, number, reason),
        shown,
        label,
        shown,
    )
