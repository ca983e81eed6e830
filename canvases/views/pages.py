"""The list of canvases, the form of a new one, the archive."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases import analytics, recipes
from canvases.editing import duplicate, edit, pending
from canvases.forms import CanvasFilter, CanvasForm
from canvases.models import Canvas

PAGE = 50


@access.signed_in
@require_safe
def canvases(request: HttpRequest, group: str) -> HttpResponse:
    """List the canvases of the group, the last edited first."""
    own_canvases = access.all_of(request, Canvas)
    form = CanvasFilter(request.GET)
    matching = (
        _apply_filter(own_canvases, form.cleaned_data) if form.is_valid() else own_canvases.none()
    )
    page = Paginator(matching.select_related("app_group", "edited_by", "segment"), PAGE).get_page(
        request.GET.get("page")
    )
    numbers = analytics.canvas_numbers(list(page))
    troubles = analytics.troubles(list(page))
    rows = [
        {"canvas": canvas, **numbers[canvas.pk], "trouble": troubles.get(canvas.pk)}
        for canvas in page
    ]
    is_filtered = any(request.GET.get(name) for name in ("q", "state"))
    context = {"rows": rows, "page": page, "form": form, "is_filtered": is_filtered}
    context["recipes"] = recipes.RECIPES.values()
    return render(
        request, "canvases/canvases.html", context, status=200 if form.is_valid() else 422
    )


def _apply_filter(matching: QuerySet[Canvas], cleaned: dict[str, Any]) -> QuerySet[Canvas]:
    matching = (
        matching.filter(state=cleaned["state"])
        if cleaned["state"]
        else matching.exclude(state=Canvas.State.ARCHIVED)
    )
    return matching.filter(name__icontains=cleaned["q"]) if cleaned["q"] else matching


@access.signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest, group: str) -> HttpResponse:
    """Create a draft from a name and an entry segment."""
    app_group = access.group(request, Role.MARKETER)
    form = CanvasForm(request.POST or None, app_group=app_group)
    if request.method == "POST" and form.is_valid():
        canvas = edit.create(
            app_group, **form.cleaned_data, by=access.user(request), now=timezone.now()
        )
        return redirect(canvas)
    context = {"form": form, "recipes": recipes.RECIPES.values()}
    return render(request, "canvases/new.html", context, status=422 if form.is_bound else 200)


@access.signed_in
@require_POST
def duplicate_canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Duplicate a canvas of any state, and open the draft."""
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    draft = duplicate.duplicate(canvas, by=access.user(request), now=timezone.now())
    messages.success(request, _("This is the copy: a draft without people."))
    return redirect(draft)


@access.signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def archive(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Confirm and archive a canvas; ``back=1`` takes it out of the archive."""
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    if request.method != "POST":
        part = "#question" if htmx.asks(request) else ""
        return render(
            request,
            f"canvases/archive.html{part}",
            {"canvas": canvas, "pending": pending.n_pending(canvas)},
        )
    is_unarchived = request.POST.get("back") == "1"
    decision = pending.Decision()
    try:
        with transaction.atomic():
            change = edit.unarchive if is_unarchived else edit.archive
            change(canvas, by=access.user(request), now=timezone.now())
            if not is_unarchived and request.POST.get("waiting") == pending.Choice.DISCARD:
                decision = pending.discard_all(canvas, by=access.user(request))
    except edit.NotAllowed as error:
        messages.error(request, str(error.text))
        return redirect(canvas)
    text = (_("%(name)s is back.") if is_unarchived else _("%(name)s is in the archive.")) % {
        "name": canvas.name
    }
    messages.success(request, f"{text} {decision.sentence}".strip())
    return redirect("canvases", group)
