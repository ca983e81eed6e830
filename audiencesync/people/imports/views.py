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
    too_many,
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
    mine = access.all_of(request, Import, MARKETER).select_related("created_by", "segment")
    page = Paginator(mine.order_by("-created_at", "-pk"), PAGE).get_page(request.GET.get("page"))
    return render(request, "people/imports/imports.html", {"page": page})


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def new(request: HttpRequest, group: str) -> HttpResponse:
    """Upload a file; nothing is imported yet."""
    app_group = access.group(request, MARKETER)
    is_sent = request.method == "POST"
    form = UploadForm(request.POST, request.FILES) if is_sent else UploadForm()
    form.refused = getattr(request, "upload_refused", "")  # set by the upload handler
    if not is_sent or not form.is_valid():
        return render(
            request, "people/imports/new.html", {"form": form}, status=422 if is_sent else 200
        )
    file = form.cleaned_data["file"]
    name = re.sub(r"[\x00-\x1f\x7f]", "", file.name or "")[:255] or "people.csv"
    row = Import(
        app_group=app_group, created_by=access.user(request), file_name=name, size=file.size
    )
    try:
        uploads.keep(row, file)
    except uploads.Full as error:
        form.refused = str(error)
        form.add_error("file", form.why_refused())
        return render(request, "people/imports/new.html", {"form": form}, status=422)
    return redirect(row)


@require_safe
@access.signed_in
def template(request: HttpRequest, group: str) -> StreamingHttpResponse:
    """Download an example of a file."""
    access.group(request, MARKETER)
    return csv_files.download([TEMPLATE.encode()], "people.csv")


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def one(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Show what the import needs in its state: a mapping, its progress, or its result."""
    row = access.get(request, Import, MARKETER, pk=import_id)
    row.app_group = access.group(request, MARKETER)
    if row.state == Import.State.UPLOADED:
        try:
            return _mapping(request, row)
        except UploadPart.DoesNotExist:
            messages.error(request, _("The file is no longer there: it was imported or discarded."))
            return redirect("imports", group)
    if request.method == "POST":
        messages.error(request, _("This import was started already."))
        return redirect(row)
    return _state(
        request, row, SegmentNameForm(initial={"name": row.file_name.rpartition(".")[0][:80]})
    )


def _mapping(request: HttpRequest, row: Import) -> HttpResponse:
    """Show preview and mapping; on POST check or start the import."""
    source = uploads.Stored(row.upload, row.size)
    given = request.POST if request.method == "POST" else request.GET
    chosen = LayoutForm(given) if "encoding" in given else None
    is_wrong = chosen is not None and not chosen.is_valid()
    if chosen and not is_wrong:
        layout = detection.marked(source, chosen.layout())
    else:
        layout = detection.layout(source, is_utf8=row.is_utf8)
    if chosen is None:
        chosen = LayoutForm(layout_values(layout))
    shown = lifecycle.preview(row, layout)
    context: dict[str, Any] = {
        "run": row,
        "layout_form": chosen,
        "layout": layout_values(layout),
        "preview": shown,
    }
    context["is_sure"] = detection.is_sure(source, layout.encoding, is_utf8=row.is_utf8)
    page = "people/imports/mapping.html"
    if trouble := too_many(len(shown.headers)):
        return render(
            request,
            page,
            context | {"trouble": trouble},
            status=422 if request.method == "POST" else 200,
        )
    names, group = _names(shown, layout), row.app_group
    guesses = column_guess.columns(names, shown.sample, delimiter=layout.delimiter, app_group=group)
    columns = tuple(guess.column for guess in guesses)
    is_sent = request.method == "POST" and not is_wrong
    form = MappingForm(
        request.POST if is_sent else None, app_group=group, columns=columns, layout=layout
    )
    if is_sent and shown.headers and form.is_valid():
        if "start" in request.POST and (answer := _start(request, row, form)):
            return answer
        if not form.errors:
            context |= _checked(lifecycle.check(row, form.plan()))
    status = 422 if is_wrong or form.errors else 200
    why = [guess.words() for guess in guesses]
    samples = [
        [row[i] for row in shown.rows if i < len(row) and row[i]][:3] for i in range(len(columns))
    ]
    context |= {"form": form, "rows": list(zip(form.rows(), samples, why, strict=True))}
    return render(request, page, context, status=status)


def _checked(found: lifecycle.CheckResult) -> dict[str, Any]:
    """Return the findings of a check, in words."""
    problems = [
        (one.line, words.reason(one), " | ".join(map(chunk_writer.storable, one.cells)))
        for one in found.problems
    ]
    usable = [(mapping.FIELDS[kind], *numbers) for kind, numbers in found.usable.items()]
    return {"checked": found, "problems": problems, "usable": usable}


def _names(shown: lifecycle.Preview, layout: Layout) -> list[str]:
    """Return the names of the columns; without a header they are numbered."""
    return (
        shown.headers
        if layout.has_header
        else [_("Column %(n)s") % {"n": n} for n in shown.headers]
    )


def _start(request: HttpRequest, row: Import, form: MappingForm) -> HttpResponse | None:
    """Start the import; None if the name of the segment was taken meanwhile."""
    try:
        lifecycle.begin(
            row,
            form.plan(),
            segment_name=form.cleaned_data["segment_name"],
            by=access.user(request),
        )
    except edit.NameTaken:
        form.add_error("segment_name", name_taken())
        return None
    except lifecycle.WrongState:
        messages.error(request, _("This import was started already."))
    return redirect(row)


def _state(
    request: HttpRequest, row: Import, form: SegmentNameForm, *, status: int = 200
) -> HttpResponse:
    """Show the progress or the result."""
    now = timezone.now()
    lacking = rejected.with_a_cell_left_out(row)
    quiet = (now - row.progressed_at).total_seconds() if row.progressed_at else 0.0
    context = {
        "run": row,
        "form": form,
        "pace": round(row.rows_per_second(now=now)),
        "left": row.seconds_left(now=now),
        "is_quiet": row.state == Import.State.RUNNING and quiet > QUIET_SECONDS,
        "has_rejects": row.rejects.exists(),
        "left_out": [one for one in lacking if not one.is_unusable],
        "unusable": [one for one in lacking if one.is_unusable],
        "trouble": words.TROUBLES.get(row.trouble, row.trouble),
    }
    page = "people/imports/import.html"
    is_part = htmx.asks(request)
    return render(request, f"{page}#state" if is_part else page, context, status=status)


@require_POST
@access.signed_in
def cancel(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Stop an import; imported people stay."""
    row = access.get(request, Import, MARKETER, pk=import_id)
    if lifecycle.cancel(row):
        messages.success(request, _("The import was cancelled. Rows that were imported stay."))
    else:
        messages.error(request, _("This import is not running."))
    return redirect("import", group, row.pk)


@require_POST
@access.signed_in
def discard(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Delete an uploaded file."""
    row = access.get(request, Import, MARKETER, pk=import_id)
    if lifecycle.discard(row):
        messages.success(request, _("The file was discarded."))
        return redirect("imports", group)
    messages.error(request, _("This import was started already."))
    return redirect("import", group, row.pk)


@require_POST
@access.signed_in
def segment(request: HttpRequest, group: str, import_id: int) -> HttpResponse:
    """Make a segment of the imported people."""
    row = access.get(request, Import, MARKETER, pk=import_id)
    row.app_group = access.group(request, MARKETER)
    form = SegmentNameForm(request.POST)
    if row.state == Import.State.UPLOADED or row.segment_id:
        return redirect(row)
    if form.is_valid():
        try:
            made = lifecycle.make_segment(row, form.cleaned_data["name"], by=access.user(request))
        except lifecycle.WrongState:
            return redirect(row)
        except edit.NameTaken:
            form.add_error("name", name_taken())
        else:
            messages.success(
                request, _("The segment “%(name)s” was created.") % {"name": made.name}
            )
            return redirect("segment", group, made.pk)
    return _state(request, row, form, status=422)


@require_POST
@access.signed_in
def rejects(request: HttpRequest, group: str, import_id: int) -> HttpResponseBase:
    """Download the rejected rows with line and reason, safe to open in a spreadsheet.

    With ``number``, only the rows of this number (lists/rejected.py).
    """
    row = access.get(request, Import, MARKETER, pk=import_id)
    found = chunk_writer.rejects(row)
    if name := request.POST.get("number"):
        try:
            found = filter(rejected.rows(row, name).counts, found)
        except KeyError:
            raise Http404 from None
    reauthentication.require(request)
    return exports.csv_file(
        request,
        [access.group(request)],
        _rejected(row.plan.get("columns", []), found),
        name=f"rejected-{row.pk}",
        subject=row.file_name,
        kind=Activity.Kind.IMPORT,
    )


def _rejected(columns: list[dict[str, str]], found: Iterator[Reject]) -> Iterator[list[str]]:
    """Yield a header and the rejected rows.

    Line and reason of an earlier rejection are left out. Cells are as an import reads them.
    """
    headers = [column["header"] for column in columns]
    bare = csv_files.unguard if csv_export.is_ours(headers) else csv_files.unguard_start
    # A file of rejected rows begins with these columns; in other files they are data.
    n_first = len(mapping.REJECT_COLUMNS)
    indexes = [
        index
        for index, header in enumerate(headers)
        if index >= n_first or header not in mapping.REJECT_COLUMNS
    ]
    yield [*mapping.REJECT_COLUMNS, *(headers[index] for index in indexes)]
    for reject in found:
        is_row = len(reject.cells) >= len(headers)
        kept = (
            [reject.cells[index] for index in indexes] + reject.cells[len(headers) :]
            if is_row
            else reject.cells
        )
        yield [str(reject.line), words.reason(reject), *map(bare, kept)]
