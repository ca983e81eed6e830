"""The audience fields of the step editor: the list of an ad account, and a new audience."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases.steps import audience_sync
from canvases.steps.audience_form import AudienceSyncForm
from canvases.views import editor
from canvases.views.panels import Banner


@access.signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def choices(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Return the audience fields of an ad account, read from the partner at most once a minute.

    A POST comes from a browser without JavaScript: the answer is the whole page with typed values.
    """
    now = timezone.now()
    step = editor.step_of(request, canvas_id, step_id)
    form = AudienceSyncForm(step=step, initial=editor.as_initial(request.GET or request.POST))
    problem = audience_sync.refresh_choices(form, now=now)
    if request.method == "POST":
        banner = Banner("danger", problem) if problem else None
        return editor.show_form(request, step, form, banner=banner, now=now)
    context = {
        "form": form,
        "choices_problem": problem,
        "may_edit": True,
        "step": step,
        "canvas": step.canvas,
    }
    return render(request, "canvases/steps/_choices.html", context)


@access.signed_in
@require_POST
def create(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Create the audience at the partner and choose it; save the form if it is valid."""
    now = timezone.now()
    step = editor.step_of(request, canvas_id, step_id, Role.MARKETER)
    if step.canvas.state == step.canvas.State.ARCHIVED:
        return editor.show_form(
            request, step, AudienceSyncForm(request.POST, step=step), status=409, now=now
        )
    form = AudienceSyncForm(request.POST, step=step)
    audience, error = audience_sync.create_audience(form, by=access.user(request), now=now)
    if audience is None:
        form = AudienceSyncForm(step=step, initial=editor.as_initial(request.POST))
        return editor.show_form(
            request, step, form, banner=Banner("danger", error), status=422, now=now
        )
    data = request.POST.copy()
    data["audience"], data["audience_name"] = str(audience.pk), audience.name
    form = AudienceSyncForm(data, step=step)
    text = _("“%(name)s” was created as a new audience") % {"name": audience.name}
    if not form.is_valid():
        return editor.show_form(
            request, step, form, banner=Banner("success", text), status=422, now=now
        )
    return editor.store(request, step, form, text=text, banner=Banner("success", text), now=now)
