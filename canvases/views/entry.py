"""The entry panel of a canvas: save it, preview it, show the next runs of a schedule."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases.editing import edit
from canvases.entry_card.form import EntryForm, Runs
from canvases.models import Canvas
from canvases.views import editor, panels
from canvases.views.stage import canvas_page

# Buttons that change the form and store nothing.
FORM_BUTTONS = ("preview", "add_exit", "remove_exit", "add_condition")


@access.signed_in
@require_POST
def entry(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Save name, description, entry and exit."""
    now = timezone.now()
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    if any(name in request.POST for name in FORM_BUTTONS):
        form = EntryForm.unvalidated(request.POST, instance=canvas, now=now)
        panel = panels.of_entry(canvas, form, now=now)
        return canvas_page.answer(request, canvas_page.read(canvas, now=now), panel)
    form = EntryForm(request.POST, instance=canvas, now=now)
    is_valid = form.is_valid()
    # Validation has changed ``canvas``: read what is stored.
    stored = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    if not is_valid:
        panel = panels.of_entry(stored, form, now=now)
        return canvas_page.answer(request, canvas_page.read(stored, now=now), panel, status=422)
    try:
        edit.save_entry(
            stored,
            form.changes(),
            exit_segments=form.cleaned_data["exit_segments"],
            version=editor.posted_version(request),
            by=access.user(request),
            now=now,
        )
    except edit.Stale:
        theirs = EntryForm(instance=stored, now=now)
        conflict = panels.differences(form, theirs)
        panel = panels.of_entry(
            stored, form, banner=editor.conflict_banner(), conflict=conflict, now=now
        )
        return canvas_page.answer(request, canvas_page.read(stored, now=now), panel, status=409)
    except edit.NotAllowed as error:
        return editor.refuse(request, stored, error, now=now)
    return canvas_page.answer_change(
        request,
        stored,
        lambda flow: panels.of_entry(flow.canvas, now=now),
        text=_("Saved."),
        query="?entry=1",
        now=now,
    )


@access.signed_in
@require_safe
def runs(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Return the next runs of a schedule that is being edited, as a part of the panel."""
    canvas = access.get(request, Canvas, pk=canvas_id)
    if not canvas_page.wants_parts(request):
        return redirect(f"{canvas.get_absolute_url()}?entry=1")
    zone = ZoneInfo(canvas.app_group.time_zone)
    context = {"runs": Runs.of(request.GET, zone=zone, now=timezone.now()), "canvas": canvas}
    return render(request, "canvases/panels/_runs.html", context)
