"""The page Health: open incidents, their history, and what was checked at each partner."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core import deadlines
from audiencesync.core.web import sent_numbers
from audiencesync.groups import access
from audiencesync.groups.models import Role
from partners.health import checks, lines, probes
from partners.notices import recipients
from partners.views.pages import connection_of, partner_or_404


@require_safe
@access.signed_in
def health(request: HttpRequest, group: str) -> HttpResponse:
    """Show the health of a group to every member."""
    app_group = access.group(request)
    history = lines.history(
        app_group, before=_history_key(request, "before"), after=_history_key(request, "after")
    )
    context = {
        "lines": lines.of_group(app_group),
        "page": history,
        "kept": _kept_for_text(),
        "reports": checks.of_group(app_group),
        "notified": recipients.of_group(app_group),
    }
    return render(request, "partners/health.html", context)


@require_POST
@access.signed_in
def check_now(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Run all checks of a connection at the partner."""
    app_group, partner = access.group(request, Role.MARKETER), partner_or_404(partner_key)
    connection = connection_of(request, app_group, partner)
    if connection is None or not connection.is_connected:
        messages.info(request, _("%(partner)s is not connected.") % {"partner": partner.label})
    elif probes.run(connection, now=timezone.now()):
        messages.success(request, _("All was asked; the answers stand below."))
    else:
        messages.info(request, _("That was checked within the last minute. Try again soon."))
    return redirect("health", group)


def _kept_for_text() -> str:
    """Return how long ended incidents are listed, in words; empty if for ever."""
    days = settings.KEEP_DAYS["incidents"]
    return deadlines.in_words(days * deadlines.DAY) if days else ""


def _history_key(request: HttpRequest, name: str) -> int | None:
    """Return the id from which a page of the history starts; None if missing or invalid."""
    return sent_numbers.whole(request.GET.get(name))
