"""Launch and stop a canvas, poll its numbers, retry errored people."""

from __future__ import annotations

from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from audiencesync.core.web import sent_numbers
from audiencesync.groups import access
from audiencesync.groups.models import Role
from canvases import checklist, engine, tree
from canvases.editing import pending
from canvases.engine import brake
from canvases.models import Canvas
from canvases.people_lists import retry as retry_people
from canvases.steps import KINDS
from canvases.views import counters, editor, panels
from canvases.views.panels import Banner
from canvases.views.stage import canvas_page
from canvases.views.stage.canvas_page import NUMBERS


@access.signed_in
@require_POST
def launch(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Launch the canvas; answer 422 with the checklist if something is missing."""
    now = timezone.now()
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    # The partner is asked about its audiences only if nothing else blocks the launch.
    is_ready = canvas.is_idle and not checklist.blockers(canvas, now=now)
    partner_problems = checklist.partner_problems(canvas, now=now) if is_ready else []
    if canvas.state == Canvas.State.ARCHIVED or checklist.blockers(
        canvas, now=now, partner_items=partner_problems
    ):
        flow = canvas_page.read(canvas, now=now)
        banner = Banner("danger", _("The canvas was not launched: something is missing."))
        panel = panels.of_launch(flow, now=now, partner_problems=partner_problems, banner=banner)
        return canvas_page.answer(request, flow, panel, status=422)
    if canvas.is_idle:
        edition = canvas.edition()
        if request.POST.get("edition", edition) != edition:
            return _refuse_outdated(request, canvas, now=now)
        # Call it before the transaction: it reads whole segments, in many transactions.
        engine.prepare_waits(canvas, now=now)
    with transaction.atomic():
        by, edited_at = access.user(request), canvas.edited_at
        is_launched = engine.launch(canvas, by=by, now=now, edited_at=edited_at)
        # A second click discards no one: people who are pending now entered after the first click.
        discarded = _discard(request, canvas) if is_launched else pending.Decision()
    canvas.refresh_from_db()
    if canvas.state != Canvas.State.LIVE:
        return _refuse_outdated(request, canvas, now=now)
    text = f"{_launched_text(canvas)} {discarded.sentence}".strip()
    steps = tree.in_order(canvas.steps.filter(removed_at=None))
    opened_step = next((step for step in steps if KINDS[step.kind].sends), steps[0])
    banner = Banner("success", text)
    return editor.show_step(request, opened_step, tab=NUMBERS, text=text, banner=banner, now=now)


def _launched_text(canvas: Canvas) -> str:
    if canvas.entry_by == Canvas.EntryBy.SCHEDULE:
        return _("Launched. People enter at the next time of the schedule.")
    return _("Launched. People enter now; the numbers below move by themselves.")


def _refuse_outdated(request: HttpRequest, canvas: Canvas, *, now: datetime) -> HttpResponse:
    """Refuse to launch a canvas that changed since the page was loaded; show its checklist."""
    text = _(
        "The canvas was not launched: it was changed since this page was loaded. Look at it again, "
        "then launch it."
    )
    flow = canvas_page.read(canvas, now=now)
    panel = panels.of_launch(flow, now=now, banner=Banner("warning", text))
    return canvas_page.answer(request, flow, panel, status=409)


@access.signed_in
@require_POST
def stop(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Stop the canvas. The member has confirmed it on the page."""
    now = timezone.now()
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    if _wants_discard(request) and canvas.state == Canvas.State.LIVE and canvas.launched_at:
        launched_at = canvas.launched_at.isoformat()
        # If the form is older than the last launch, the people who are pending now entered later.
        if request.POST.get("launched_at", launched_at) != launched_at:
            text = _(
                "This canvas was launched again since this page was loaded. Nothing is changed "
                "yet: look at the numbers again."
            )
            flow = canvas_page.read(canvas, now=now)
            panel = panels.of_stop(flow, banner=Banner("warning", text))
            return canvas_page.answer(request, flow, panel, status=409)
    with transaction.atomic():
        engine.stop(canvas, by=access.user(request), now=now)
        discarded = _discard(request, canvas)
    stopped = _("Stopped. No one enters or moves on.")
    text = f"{stopped} {discarded.sentence}".strip()
    return editor.show_message(request, canvas, text, now=now)


def _wants_discard(request: HttpRequest) -> bool:
    return request.POST.get("waiting") == pending.Choice.DISCARD


def _discard(request: HttpRequest, canvas: Canvas) -> pending.Decision:
    """Discard the pending people if the box was ticked; return how many in a Decision."""
    if not _wants_discard(request):
        return pending.Decision()
    return pending.discard_all(canvas, by=access.user(request))


@access.signed_in
@require_POST
def lift_brake(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Remove the people whose removal is held. ``n``: how many the page showed."""
    now = timezone.now()
    canvas = access.get(request, Canvas, Role.MARKETER, pk=canvas_id)
    n_shown = sent_numbers.whole(request.POST.get("n"))
    if canvas.braked_at and (n_shown is None or brake.n_held(canvas) > n_shown):
        messages.error(request, _("More people left meanwhile. Look at the new number first."))
    elif brake.lift(canvas, by=access.user(request), now=now):
        messages.success(request, _("The people are removed now."))
    return redirect(canvas.get_absolute_url())


@access.signed_in
@require_safe
def counts(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Answer a poll with what has changed since the version ``v``; 204 if nothing has changed."""
    now = timezone.now()
    flow = canvas_page.read(access.get(request, Canvas, pk=canvas_id), now=now)
    shown_version = request.GET.get("v", "")
    if shown_version == flow.version:
        return HttpResponse(status=204)
    flow.changes = counters.changes(flow, shown_version)
    open_card, tab = flow.card(request.GET.get("open", "")), request.GET.get("tab", "")
    panel = (
        panels.of_numbers(open_card, tab=tab)
        if open_card
        else panels.Panel(key=request.GET.get("open", ""))
    )
    return canvas_page.answer(request, flow, panel, part="canvases/_counts.html")


@access.signed_in
@require_POST
def retry(request: HttpRequest, group: str, canvas_id: int, step_id: int) -> HttpResponse:
    """Retry the errored people of a step."""
    now = timezone.now()
    step = editor.step_of(request, canvas_id, step_id)
    if step.canvas.is_archived:
        refusal = str(retry_people.ARCHIVED)
        return editor.show_step(request, step, tab=NUMBERS, text=refusal, now=now)
    n = retry_people.retry_errored(step, now=now)
    if n:
        retry_people.log(step, n, by=access.user(request))
    text = ngettext("%(n)s person is retried.", "%(n)s people are retried.", n) % {
        "n": number_format(n)
    }
    return editor.show_step(
        request, step, tab=NUMBERS, text=text if n else _("There is no one to retry."), now=now
    )
