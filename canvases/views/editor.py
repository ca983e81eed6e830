"""The canvas page and the edits of its flow."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core.web import sent_numbers
from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases.editing import edit, pending, undo
from canvases.models import Canvas, Step
from canvases.steps import KINDS
from canvases.steps.base import StepForm, Text
from canvases.views import last_removal, panels
from canvases.views.panels import Banner
from canvases.views.stage import canvas_page
from canvases.views.stage.canvas_page import SETTINGS, Flow, Panel


@access.signed_in
@require_safe
def canvas(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Show the page; ``?step=``, ``?entry``, ``?launch`` and others open a panel."""
    now = timezone.now()
    flow = canvas_page.read(access.get(request, Canvas, pk=canvas_id), now=now)
    return canvas_page.answer(request, flow, panels.of_query(request, flow, now=now))


@access.signed_in
@require_POST
def add(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Add a step at the place ``after``."""
    now = timezone.now()
    row = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    kind, place = request.POST.get("kind", ""), request.POST.get("after", "first")
    if kind not in KINDS:
        flow = canvas_page.read(row, now=now)
        banner = Banner("danger", _("Choose a component."))
        return canvas_page.answer(
            request, flow, panels.of_menu(flow, place, banner=banner), status=422
        )
    after, branch = _place(request, row, place)
    try:
        by = access.user(request)
        step = edit.add(row, kind, after=after, branch=branch, by=by, now=now)
    except edit.NotAllowed as error:
        return refuse(request, row, error, now=now)
    return show_step(request, step, announcement=_("Component %(n)d was added."), now=now)


def _place(request: HttpRequest, canvas: Canvas, place: str) -> tuple[Step | None, int]:
    """Return (step before, its branch) of a place such as "first", "12" or "12-1"."""
    after, _dash, branch = place.partition("-")
    if after == "first":
        return None, 0
    step = access.get(request, Step, pk=after, canvas=canvas, removed_at=None)
    return step, number(branch) or 0


@access.signed_in
@require_POST
def save(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Save the settings of a step."""
    now = timezone.now()
    step = step_of(request, canvas_id, step_id)
    kind = KINDS[step.kind]
    # A button inside the form was pressed: draw it again, save nothing.
    if (drawn := kind.form.from_button(request.POST, step=step)) is not None:
        drawn.keep_names(request.POST)
        return show_form(request, step, drawn, status=200, now=now)
    form = kind.form(request.POST, step=step)
    if not form.is_valid():
        return show_form(request, step, form, status=422, now=now)
    return store(request, step, form, text=_("Saved."), now=now)


@access.signed_in
@require_POST
def move(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Swap a step with the one before or after it."""
    now = timezone.now()
    step = step_of(request, canvas_id, step_id)
    try:
        edit.move(step, up=request.POST.get("to") == "up", by=access.user(request), now=now)
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    text = _("The component is now number %(n)d.")
    return show_step(request, step, announcement=text, now=now)


@access.signed_in
@require_POST
def place(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Move a step to the place ``after``, which may be in another branch."""
    now = timezone.now()
    step = step_of(request, canvas_id, step_id)
    place = request.POST.get("after", "")
    if not place:
        error = edit.NotAllowed(_("Choose where to move the component."))
        return refuse(request, step.canvas, error, now=now)
    after, branch = _place(request, step.canvas, place)
    try:
        edit.move_to(step, after=after, branch=branch, by=access.user(request), now=now)
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    return show_step(request, step, announcement=_("The component is now number %(n)d."), now=now)


@access.signed_in
@require_POST
def copy(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Copy a step with its branches."""
    now = timezone.now()
    step = step_of(request, canvas_id, step_id)
    try:
        step_copy = edit.copy(step, by=access.user(request), now=now)
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    return show_step(request, step_copy, announcement=_("Component %(n)d was added."), now=now)


@access.signed_in
@require_POST
def remove(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Remove a step."""
    now = timezone.now()
    step = step_of(request, canvas_id, step_id)
    try:
        decision, note, why_not = undo.remove(
            step,
            keep=number(request.POST.get("keep", "")),
            people=request.POST.get("people", ""),
            choice=request.POST.get("waiting", ""),
            by=access.user(request),
            now=now,
        )
    except edit.Unanswered as error:
        flow = canvas_page.read(step.canvas, now=now)
        panel = panels.of_remove(flow, step, banner=Banner("warning", error.text))
        return canvas_page.answer(request, flow, panel, status=422)
    except pending.Undecided:
        flow = canvas_page.read(step.canvas, now=now)
        return canvas_page.answer(
            request, flow, panels.of_remove(flow, step, banner=_undecided_banner()), status=422
        )
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    removed = _("The component was removed.")
    text = " ".join(str(sentence) for sentence in (removed, decision.sentence, why_not) if sentence)
    last_removal.keep(request, step.canvas, note)
    return show_message(request, step.canvas, text, now=now)


@access.signed_in
@require_POST
def undo_removal(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Undo the last removal that this user made in this canvas; focus the restored card."""
    now = timezone.now()
    row = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    note = last_removal.of(request, row)
    if note is None:
        banner = Banner("warning", _("There is no removal to undo."))
        flow = canvas_page.read(row, now=now)
        return canvas_page.answer(request, flow, panels.of_message(banner), status=422)
    try:
        step = undo.restore(row, note, by=access.user(request), now=now)
    except edit.NotAllowed as error:
        return refuse(request, row, error, now=now)
    last_removal.keep(request, row, None)
    text = _("The removal was undone.")
    return canvas_page.answer_change(
        request, row, lambda _flow: Panel(), text=text, focus=str(step.pk), now=now
    )


@access.signed_in
@require_POST
def waiting(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Decide about people pending in former Syncs of a step, even of a removed step."""
    now = timezone.now()
    step = access.get(request, Step, Role.MARKETER, pk=step_id, canvas=canvas_id)
    try:
        decision = edit.decide(
            step, request.POST.get("waiting", ""), by=access.user(request), now=now
        )
    except pending.Undecided:
        flow = canvas_page.read(step.canvas, now=now)
        return canvas_page.answer(
            request, flow, panels.of_former(flow, step, banner=_undecided_banner()), status=422
        )
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    text = decision.sentence or _("No one is pending under the previous settings.")
    if step.removed_at is None:
        return show_step(request, step, text=text, now=now)
    return show_message(request, step.canvas, text, now=now)


def step_of(request: HttpRequest, canvas_id: int, step_id: int, role: Role = Role.MARKETER) -> Step:
    """Return a step that is not removed. Raise Http404 or PermissionDenied."""
    return access.get(request, Step, role, pk=step_id, canvas=canvas_id, removed_at=None)


def store(
    request: HttpRequest,
    step: Step,
    form: StepForm,
    *,
    text: str,
    banner: Banner | None = None,
    now: datetime,
) -> HttpResponse:
    """Save a valid form and answer; 409 with both versions if another user has saved meanwhile.

    ``text``: the message of success; ``banner``: what to show in the panel in place of a toast.
    """
    try:
        decision = edit.save_settings(
            step,
            form.settings(),
            names=form.names(),
            version=posted_version(request),
            choice=request.POST.get("waiting", ""),
            by=access.user(request),
            now=now,
        )
    except edit.Stale:
        step.refresh_from_db()
        theirs = KINDS[step.kind].form(step=step, initial=step.settings)
        conflict = panels.differences(form, theirs)
        return show_form(
            request, step, form, banner=conflict_banner(), conflict=conflict, status=409, now=now
        )
    except edit.BranchInUse as error:
        form.add_error(None, str(error.text))
        return show_form(request, step, form, status=422, now=now)
    except pending.Undecided as undecided:
        question = undecided.question
        banner = _undecided_banner(banner.text if banner else "")
        return show_form(request, step, form, banner=banner, question=question, status=422, now=now)
    except edit.NotAllowed as error:
        return refuse(request, step.canvas, error, now=now)
    if decision.sentence:
        text, banner = (
            f"{text} {decision.sentence}",
            banner and Banner(banner.kind, f"{banner.text} {decision.sentence}"),
        )
    return show_step(request, step, text=text, banner=banner, now=now)


def show_form(
    request: HttpRequest,
    step: Step,
    form: StepForm,
    *,
    status: int = 200,
    now: datetime,
    **parts: Any,
) -> HttpResponse:
    """Show the editor of a step with a form as it was typed."""
    flow = canvas_page.read(step.canvas, now=now)
    card = flow.card(step.pk)
    panel = panels.of_step(card, form, **parts) if card else Panel()
    return canvas_page.answer(request, flow, panel, status=status)


def show_step(
    request: HttpRequest,
    step: Step,
    *,
    tab: str = SETTINGS,
    text: str = "",
    announcement: str = "",
    banner: Banner | None = None,
    now: datetime,
) -> HttpResponse:
    """Answer a change with the step as it is stored now."""

    def open_step(flow: Flow) -> Panel:
        card = flow.card(step.pk)
        return panels.of_step(card, tab=tab, banner=banner) if card else Panel()

    def announced(flow: Flow) -> Text:
        card = flow.card(step.pk)
        return announcement % {"n": card.number} if card else ""

    # In a live canvas, the numbers are the default tab.
    is_default_tab = tab == SETTINGS and step.canvas.state != Canvas.State.LIVE
    query = f"?step={step.pk}" + ("" if is_default_tab else f"&tab={tab}")
    return canvas_page.answer_change(
        request, step.canvas, open_step, text=text, announce=announced, query=query, now=now
    )


def show_message(request: HttpRequest, canvas: Canvas, text: str, *, now: datetime) -> HttpResponse:
    """Answer a change with a message in the panel, where no step is open."""
    panel = panels.of_message(Banner("success", text))
    return canvas_page.answer_change(request, canvas, lambda _flow: panel, text=text, now=now)


def refuse(
    request: HttpRequest, canvas: Canvas, error: edit.NotAllowed, *, now: datetime
) -> HttpResponse:
    """Answer 409 with the reason why the edit is not allowed."""
    canvas.refresh_from_db()
    flow = canvas_page.read(canvas, now=now)
    panel = panels.of_message(Banner("danger", error.text))
    return canvas_page.answer(request, flow, panel, status=409)


def posted_version(request: HttpRequest) -> int:
    """Return the version that the form was opened with; -1, which no row has, if it is invalid."""
    try:
        return int(request.POST.get("version", ""))
    except ValueError:
        return -1


def number(text: str) -> int | None:
    """Return the number of a branch that a form sent; None if the text is no number."""
    return sent_numbers.whole(text, most=999)


def as_initial(data: QueryDict) -> dict[str, Any]:
    """Return typed data as initial data, for a form that is not validated yet."""
    return {name: data.getlist(name) if name == "kinds" else data.get(name) for name in data} | {
        "typed": True
    }


def _undecided_banner(before: Text = "") -> Banner:
    text = _("Nothing is changed yet. Choose what happens to the pending people.")
    return Banner("warning", f"{before} {text}".strip())


def conflict_banner() -> Banner:
    return Banner(
        "warning", _("Another person saved this in the meantime. Nothing was overwritten.")
    )
