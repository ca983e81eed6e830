"""The help page of an app group."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from audiencesync.groups import access
from canvases.help import entries, of_canvas
from partners import faq, registry
from partners.connections import oauth


@require_safe
@access.signed_in
def page(request: HttpRequest, group: str) -> HttpResponse:
    """Show all that Help explains; ``?partner=`` names another partner than the first."""
    access.group(request)
    partner = oauth.find_partner(request.GET.get("partner", "")) or registry.default()
    context = {
        "partner": partner,
        "questions": faq.of(partner),
        "numbers": entries.numbers(partner),
        "canvas_numbers": of_canvas.NUMBERS,
        "exits": of_canvas.exits(),
        "reasons": entries.reasons_of(partner),
        "incidents": entries.incidents(partner),
        "errors": entries.errors(partner),
    }
    return render(request, "canvases/help.html", context)
