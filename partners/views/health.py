"""The page Health: open incidents, their history, and what was checked at each partner."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from partners.health import checks, lines
from partners.notices import readers

LONGEST_ID = 18


@require_safe
@access.signed_in
def health(request: HttpRequest, group: str) -> HttpResponse:
    """Show the health of a group to every member."""
    app_group = access.group(request)
    page = lines.history(app_group, before=_key(request, "before"), after=_key(request, "after"))
    context = {
        "lines": lines.of_group(app_group, now=timezone.now()),
        "page": page,
        "reports": checks.of_group(app_group),
        "notified": readers.of_group(app_group),
    }
    return render(request, "partners/health.html", context)


def _key(request: HttpRequest, name: str) -> int | None:
    """Return the id from which a page of the history starts; None if missing or invalid."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= LONGEST_ID else None
