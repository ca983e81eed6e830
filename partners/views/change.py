"""Views for a swap, the change of the account at the partner: ask for confirmation, cancel.

The form with the confirmation posts to connect.py, which begins the swap. Until its end, nothing is
sent for the connection.
"""

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
from partners.views.pages import connection_of, partner_or_404


@require_safe
@access.signed_in
def change_account(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Show the steps that a change of the account affects, and ask for a confirmation."""
    app_group, partner = access.group(request, Role.ADMIN), partner_or_404(partner_key)
    connection = connection_of(request, app_group, partner)
    if connection is None or not connection.is_connected:
        return redirect("partner", group, partner_key)
    context = {
        "partner": partner,
        "connection": connection,
        "affected": affected.steps_of(connection),
        "minutes": park.MAX_SWAP // timedelta(minutes=1),
    }
    # "#ask" is the part of the template with the dialog; without htmx it is a whole page.
    template = "partners/change.html" + ("#ask" if htmx.asks(request) else "")
    return render(request, template, context)


@require_POST
@access.signed_in
def cancel_change(request: HttpRequest, group: str, partner_key: str) -> HttpResponse:
    """Cancel the change: keep the account, and resume sending."""
    app_group, partner = access.group(request, Role.ADMIN), partner_or_404(partner_key)
    connection = connection_of(request, app_group, partner)
    by = access.user(request)
    if connection and swap.cancel(connection, by=by, now=timezone.now()):
        messages.success(request, _("Nothing was changed, and people are sent as before."))
    return redirect("partner", group, partner_key)
