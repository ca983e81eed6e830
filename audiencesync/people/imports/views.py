"""Pages of an import: the list, the upload, and one page for mapping, progress and result."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import csv_files, htmx
from audiencesync.groups import access, exports, reauthentication
from audiencesync.groups.models import Activity, Role
from audiencesync.people.imports import (
    chunk_writer,
    column_guess,
    detection,
    lifecycle,
    mapping,
    uploads,
    words,
)
from audiencesync.people.imports.csv_reader import Layout, Reject
from audiencesync.people.imports.forms import (
    LayoutForm,
    MappingForm,
    SegmentNameForm,
    UploadForm,
    layout_values,
    too_many_columns_error,
)
from audiencesync.people.imports.lists import rejected
from audiencesync.people.models.imports import Import, UploadPart
from audiencesync.people.segments import edit
from audiencesync.people.segments.builder.form import name_taken
from audiencesync.people.views import csv_export

PAGE = 25
QUIET_SECONDS = 30  # without progress for longer, the page says so
TEMPLATE = (
    "external_id,email,phone,idfa,google_ad_id,ad_tracking_enabled,ads_consent,country,language,"
    "newsletter,orders\r\n"
    "customer-1,maria@example.org,+4915112345678,,,true,true,DE,de,true,3\r\n"
)
MARKETER = Role.MARKETER


@require_safe
@access.signed_in
def imports(request: HttpRequest, group: str) -> HttpResponse:
    """List the imports of the group, newest first."""
    runs = access.all_of(request, Import, MARKETER).select_related("created_by", "segment")
    page = Paginator(runs.order_by("-created_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    return render(request, "people/imports/imports.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def new(request: HttpRequest, group: str) -> HttpResponse:
    """Upload a file; nothing is imported yet."""
    app_group = access.group(request, MARKETER)
    is_post = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if is_post else UploadForm()
    form.refused = getattr(request, "upload_refused", "")  # set by the upload handler
    if not is_post or not form.is_valid():
        return render(
            request, "people/imports/new.html", {"form": form}, status=422 if is_post else 200
        )
    file = form.cleaned_data["file"]
    name = re.sub(r"[\x00-\x1f\x7f]", "", file.name or "")[:255] or "people.csv"
    run = Import(
        app_group=app_group, created_by=access.user(request), file_name=name, size=file.size
    )
    try:
        uploads.save_import(run, file)
    except uploads.Full as error:
        form.refused = str(error)
        form.add_error("file", form.why_refused())
        return render(request, "people/imports/new.html", {"form": form}, status=422)
    return redirect(run)


@require_safe
@access.signed_in
def template(request: HttpRequest, group: str) -> StreamingHttpResponse:
    """Download an example of a file."""
    access.group(request, MARKETER)
    return csv_files.download([TEMPLATE.encode()], "people.csv")


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def import_page(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Show what the import needs in its state: a mapping, its progress, or its result."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    run.app_group = access.group(request, MARKETER)
    if run.state == Import.State.UPLOADED:
        try:
            return _mapping(request, run)
        except UploadPart.DoesNotExist:
            messages.error(request, _("The file is no longer there: it was imported or discarded."))
            return redirect("imports", group)
    if request.method == "POST":
        messages.error(request, _("This import was started already."))
        return redirect(run)
    return _render_state(
        request, run, SegmentNameForm(initial={"name": run.file_name.rpartition(".")[0][:80]})
    )


def _layout(
    request: HttpRequest, run: Import, source: uploads.StoredFile
) -> tuple[LayoutForm, Layout]:
    """Return the layout form and the layout: the chosen one if it is valid, else the detected."""
    params = request.POST if request.method == "POST" else request.GET
    if "encoding" not in params:
        layout = detection.layout(source, is_utf8=run.is_utf8)
        return LayoutForm(layout_values(layout)), layout
    form = LayoutForm(params)
    if form.is_valid():
        return form, detection.with_marks(source, form.layout())
    return form, detection.layout(source, is_utf8=run.is_utf8)


def _mapping(request: HttpRequest, run: Import) -> HttpResponse:
    """Show preview and mapping; on POST check or start the import."""
    source = uploads.StoredFile(run.upload, run.size)
    layout_form, layout = _layout(request, run, source)
    preview = lifecycle.preview(run, layout)
    context: dict[str, Any] = {
        "run": run,
        "layout_form": layout_form,
        "layout": layout_values(layout),
        "preview": preview,
    }
    context["is_sure"] = detection.is_sure(source, layout.encoding, is_utf8=run.is_utf8)
    page = "people/imports/mapping.html"
    if trouble := too_many_columns_error(len(preview.headers)):
        return render(
            request,
            page,
            context | {"trouble": trouble},
            status=422 if request.method == "POST" else 200,
        )
    names, app_group = _column_names(preview, layout), run.app_group
    guesses = column_guess.columns(
        names, preview.sample, delimiter=layout.delimiter, app_group=app_group
    )
    columns = tuple(guess.column for guess in guesses)
    is_sent = request.method == "POST" and layout_form.is_valid()
    form = MappingForm(
        request.POST if is_sent else None, app_group=app_group, columns=columns, layout=layout
    )
    if is_sent and preview.headers and form.is_valid():
        if "start" in request.POST and (answer := _start(request, run, form)):
            return answer
        if not form.errors:
            context |= _check_context(lifecycle.check(run, form.plan()))
    status = 422 if layout_form.errors or form.errors else 200
    reasons = [guess.reason() for guess in guesses]
    samples = [
        [row[i] for row in preview.rows if i < len(row) and row[i]][:3] for i in range(len(columns))
    ]
    context |= {"form": form, "rows": list(zip(form.rows(), samples, reasons, strict=True))}
    return render(request, page, context, status=status)


def _check_context(result: lifecycle.CheckResult) -> dict[str, Any]:
    """Return the findings of a check, in words."""
    problems = [
        (problem.line, words.reason(problem), " | ".join(map(chunk_writer.storable, problem.cells)))
        for problem in result.problems
    ]
    usable = [(mapping.FIELDS[kind], *numbers) for kind, numbers in result.usable.items()]
    return {"checked": result, "problems": problems, "usable": usable}


def _column_names(preview: lifecycle.Preview, layout: Layout) -> list[str]:
    """Return the names of the columns; without a header they are numbered."""
    return (
        preview.headers
        if layout.has_header
        else [_("Column %(n)s") % {"n": n} for n in preview.headers]
    )


def _start(request: HttpRequest, run: Import, form: MappingForm) -> HttpResponse | None:
    """Start the import; None if the name of the segment was taken meanwhile."""
    try:
        lifecycle.begin(
            run,
            form.plan(),
            segment_name=form.cleaned_data["segment_name"],
            by=access.user(request),
        )
    except edit.NameTaken:
        form.add_error("segment_name", name_taken())
        return None
    except lifecycle.WrongState:
        messages.error(request, _("This import was started already."))
    return redirect(run)


def _render_state(
    request: HttpRequest, run: Import, form: SegmentNameForm, *, status: int = 200
) -> HttpResponse:
    """Show the progress or the result."""
    now = timezone.now()
    left_out_numbers = rejected.with_a_cell_left_out(run)
    quiet_seconds = (now - run.progressed_at).total_seconds() if run.progressed_at else 0.0
    context = {
        "run": run,
        "form": form,
        "pace": round(run.rows_per_second(now=now)),
        "left": run.seconds_left(now=now),
        "is_quiet": run.state == Import.State.RUNNING and quiet_seconds > QUIET_SECONDS,
        "has_rejects": run.rejects.exists(),
        "left_out": [number for number in left_out_numbers if not number.is_unusable],
        "unusable": [number for number in left_out_numbers if number.is_unusable],
        "trouble": words.TROUBLES.get(run.trouble, run.trouble),
    }
    page = "people/imports/import.html"
    is_part = htmx.asks(request)
    return render(request, f"{page}#state" if is_part else page, context, status=status)


@require_POST
@access.signed_in
def cancel(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Stop an import; imported people stay."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    if lifecycle.cancel(run):
        messages.success(request, _("The import was cancelled. Rows that were imported stay."))
    else:
        messages.error(request, _("This import is not running."))
    return redirect("import", group, run.pk)


@require_POST
@access.signed_in
def discard(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Delete an uploaded file."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    if lifecycle.discard(run):
        messages.success(request, _("The file was discarded."))
        return redirect("imports", group)
    messages.error(request, _("This import was started already."))
    return redirect("import", group, run.pk)


@require_POST
@access.signed_in
def segment(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Make a segment of the imported people."""
    run = access.get(request, Import, MARKETER, pk=import_id)
    run.app_group = access.group(request, MARKETER)
    form = SegmentNameForm(request.POST)
    if run.state == Import.State.UPLOADED or run.segment_id:
        return redirect(run)
    if form.is_valid():
        try:
            created_segment = lifecycle.make_segment(
                run, form.cleaned_data["name"], by=access.user(request)
            )
        except lifecycle.WrongState:
            return redirect(run)
        except edit.NameTaken:
            form.add_error("name", name_taken())
        else:
            messages.success(
                request, _("The segment “%(name)s” was created.") % {"name": created_segment.name}
            )
            return redirect("segment", group, created_segment.pk)
    return _render_state(request, run, form, status=422)


@require_POST
@access.signed_in
def rejects(request: HttpRequest, group: str, import_id: int) -> HttpResponseBase:
    """Download the rejected rows with line and reason, safe to open in a spreadsheet.

    With ``number`` in the POST, only the rows behind this number (lists/rejected.py).
    """
    run = access.get(request, Import, MARKETER, pk=import_id)
    reject_rows = chunk_writer.rejects(run)
    if name := request.POST.get("number"):
        try:
            reject_rows = filter(rejected.rows(run, name).counts, reject_rows)
        except KeyError:
            raise Http404 from None
    reauthentication.require(request)
    return exports.csv_file(
        request,
        [access.group(request)],
        _reject_file_rows(run.plan.get("columns", []), reject_rows),
        name=f"rejected-{run.pk}",
        subject=run.file_name,
        kind=Activity.Kind.IMPORT,
    )


def _reject_file_rows(
    columns: list[dict[str, str]], reject_rows: Iterator[Reject]
) -> Iterator[list[str]]:
    """Yield a header and the rejected rows.

    If the file was one of rejected rows itself, its columns with line and reason are left out.
    Cells are written as an import reads them.
    """
    headers = [column["header"] for column in columns]
    unguarded = csv_files.unguard if csv_export.is_ours(headers) else csv_files.unguard_start
    # A file of rejected rows begins with these columns; in other files they are data.
    n_first = len(mapping.REJECT_COLUMNS)
    indexes = [
        index
        for index, header in enumerate(headers)
        if index >= n_first or header not in mapping.REJECT_COLUMNS
    ]
    yield [*mapping.REJECT_COLUMNS, *(headers[index] for index in indexes)]
    for reject in reject_rows:
        has_all_cells = len(reject.cells) >= len(headers)
        row_cells = (
            [reject.cells[index] for index in indexes] + reject.cells[len(headers) :]
            if has_all_cells
            else reject.cells
        )
        yield [str(reject.line), words.reason(reject), *map(unguarded, row_cells)]
