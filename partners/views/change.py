"""Before a change of the account: what would break; and Cancel while the queue is held."""

from datetime import timedelta

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.groups import access
from audiencesync.groups.models import Role
from partners.connections import affected, swap
from partners.queue import park
from partners.views.pages import connection_of, known


@require_safe
@access.signed_in
def change_account(request: HttpRequest, group: str, partner: str) -> HttpResponse:
    """Show what a change of the account touches, and ask for a confirmation."""
    app_group, found = access.group(request, Role.ADMIN), known(partner)
    connection = connection_of(request, app_group, found)
    if connection is None or not connection.is_connected:
        return redirect("partner", group, partner)
    context = {
        "partner": found,
        "connection": connection,
        "affected": affected.steps_of(connection),
        "minutes": park.MAX_SWAP // timedelta(minutes=1),
    }
    template = "partners/change.html" + ("#ask" if htmx.asks(request) else "")
    return render(request, template, context)


@require_POST
@access.signed_in
def cancel_change(request: HttpRequest, group: str, partner: str) -> HttpResponse:
    """Let the queue go on with the account as it is."""
    app_group, found = access.group(request, Role.ADMIN), known(partner)
    connection = connection_of(request, app_group, found)
    by = access.user(request)
    if connection and swap.cancel(connection, by=by, now=timezone.now()):
        messages.success(request, _("Nothing was changed, and people are sent as before."))
    return redirect("partner", group, partner)
