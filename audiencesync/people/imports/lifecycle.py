"""Check, start, cancel and discard imports, and delete their data after the retention period."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from django.db import transaction
from django.utils import timezone

from audiencesync.core import csv_files
from audiencesync.core.beat import wake
from audiencesync.groups import retention
from audiencesync.groups.models import Activity, User
from audiencesync.people import masking
from audiencesync.people.identifiers import normalise
from audiencesync.people.imports import cells, chunk_writer, runner, uploads
from audiencesync.people.imports.csv_reader import Layout, Reader, Reject, read_in_chunks
from audiencesync.people.imports.mapping import ConvertedRows, Converter, Plan
from audiencesync.people.models import Segment
from audiencesync.people.models.imports import Import, ImportMember, RejectPart
from audiencesync.people.segments import edit, filters
from audiencesync.people.views import csv_export
from audiencesync.people.writing.upsert import erased_indexes

CHECK_ROWS, CHECK_SECONDS, CHECK_CHUNK = 50_000, 3.0, 1000
MOST_PROBLEMS = 20  # problems of a check that are shown
PREVIEW_ROWS, SAMPLE = 5, 2000  # rows to show; rows from which the meaning of columns is guessed
State = Import.State


@dataclass(frozen=True, slots=True)
class Preview:
    """Column names and first rows. ``headers`` is empty if there is nothing to read."""

    headers: list[str]
    sample: list[list[str]]

    @property
    def rows(self) -> list[list[str]]:
        """Return the rows to show."""
        return self.sample[:PREVIEW_ROWS]


@dataclass(frozen=True, slots=True)
class PhoneSample:
    """A phone number of the file. ``value``: as it would be sent; None if it is unusable."""

    raw: str
    value: str | None
    problem: normalise.IdentifierProblem | None = None

    @property
    def why(self) -> str:
        """Return why the number is unusable, in words."""
        return str(masking.PHONE_PROBLEMS.get(self.problem, ""))


@dataclass(slots=True)
class CheckResult:
    """Findings of a dry run. ``usable``: kind of identifier -> (cells, usable cells)."""

    n_rows: int = 0  # rows that were read
    n_rejected: int = 0
    n_cells_left_out: int = 0  # cells without which their rows would be imported
    is_whole_file: bool = False  # whether all rows were read in the time of a check
    problems: list[Reject] = field(default_factory=list)  # the first ones
    phones: list[PhoneSample] = field(default_factory=list)
    usable: dict[str, tuple[int, int]] = field(default_factory=dict)


def preview(run: Import, layout: Layout) -> Preview:
    """Read the beginning of the file by this layout; nothing if its header cannot be read."""
    # The reader is given no number of columns, so that it returns rows of any length.
    reader = Reader(uploads.StoredFile(run.upload, run.size), layout, n_columns=0)
    names = reader.take(1).rows if layout.has_header else []
    rows = reader.take(SAMPLE).rows if names or not layout.has_header else []
    if names:
        headers = names[0]
        if csv_export.is_ours([csv_files.unguard(name) for name in headers]):
            return Preview([csv_files.unguard(name) for name in headers], rows)
        return Preview([cells.clean_cell(name, is_exact=False) for name in headers], rows)
    return Preview([str(n + 1) for n in range(max(map(len, rows), default=0))], rows)


def check(run: Import, plan: Plan) -> CheckResult:
    """Do a dry run over the first rows. Erased people are rejected, as in an import."""
    result, ends_at = CheckResult(), time.monotonic() + CHECK_SECONDS
    converter = Converter(
        plan, region=run.app_group.phone_region, hash_only=run.app_group.hash_only
    )
    reader = Reader(
        uploads.StoredFile(run.upload, run.size), plan.layout, n_columns=len(plan.columns)
    )
    if plan.layout.has_header:
        reader.take(1)
    result.is_whole_file = True
    for parsed in read_in_chunks(reader, CHECK_CHUNK):
        converted, rejects = converter.read(parsed)
        erased_rows = [
            converted.row_indexes[index]
            for index in erased_indexes(
                run.app_group, chunk_writer.changes(converted, plan), now=timezone.now()
            )
        ]
        rejects += [
            Reject(parsed.lines[index], "erased", "", parsed.rows[index]) for index in erased_rows
        ]
        result.n_rows += len(parsed)
        result.n_cells_left_out += sum(reject.is_imported for reject in rejects)
        result.n_rejected += sum(not reject.is_imported for reject in rejects)
        result.problems += sorted(rejects)[: MOST_PROBLEMS - len(result.problems)]
        _count_usable(result, converted, region=run.app_group.phone_region)
        if result.n_rows >= CHECK_ROWS or time.monotonic() > ends_at:
            following = reader.take(1)
            result.is_whole_file = following.is_end and not len(following)
            break
    return result


def _count_usable(result: CheckResult, converted: ConvertedRows, *, region: str) -> None:
    """Count the usable identifiers; show how the first phone numbers are read."""
    for kind in ("email", "phone", "idfa", "gaid"):
        cells = [cell for cell in converted.fields.get(kind, []) if cell is not None]
        normalised = [normalise.normalise(kind, cell, region=region) for cell in cells]
        n_cells, n_usable = result.usable.get(kind, (0, 0))
        if n_cells or cells:
            result.usable[kind] = (
                n_cells + len(cells),
                n_usable + sum(identifier.sha256 is not None for identifier in normalised),
            )
        if kind == "phone" and len(result.phones) < PREVIEW_ROWS:
            samples = (
                PhoneSample(raw, identifier.value, identifier.problem)
                for raw, identifier in zip(cells, normalised, strict=True)
            )
            result.phones += islice(samples, PREVIEW_ROWS - len(result.phones))


class WrongState(Exception):
    """The import is not in the required state: another request was faster."""


def begin(run: Import, plan: Plan, *, segment_name: str, by: User) -> None:
    """Start an import, with a segment if it has a name. Raise WrongState or edit.NameTaken."""
    now = timezone.now()
    with transaction.atomic():
        uploaded_run = Import.objects.filter(pk=run.pk, state=State.UPLOADED)
        if not uploaded_run.update(
            state=State.RUNNING, plan=plan.as_json(), started_at=now, progressed_at=now
        ):
            raise WrongState
        if segment_name:
            _make_segment(run, segment_name, by=by)
        Activity.log(
            run.app_group, by, Activity.Verb.CREATED, run.file_name, kind=Activity.Kind.IMPORT
        )
        wake(runner.TASK)


def _make_segment(run: Import, name: str, *, by: User) -> Segment:
    of_import = {"all": [{"field": "import", "op": "is", "value": str(run.pk)}]}
    segment = edit.create(run.app_group, name=name, raw_filter=of_import, by=by)
    if not Import.objects.filter(pk=run.pk, segment=None).update(segment=segment):
        raise WrongState
    return segment


def make_segment(run: Import, name: str, *, by: User) -> Segment:
    """Make a segment of the people of an import afterwards.

    Raise edit.NameTaken, or WrongState if the import has a segment already.
    """
    with transaction.atomic():
        return _make_segment(run, name, by=by)


def cancel(run: Import) -> bool:
    """Stop a running import; imported people stay. Return whether it was running."""
    now = timezone.now()
    with transaction.atomic():
        running_run = Import.objects.filter(pk=run.pk, state=State.RUNNING)
        if not running_run.update(state=State.CANCELLED, ended_at=now, lease=""):
            return False
        uploads.drop(run.upload)
    return True


def discard(run: Import) -> bool:
    """Delete a file that was never imported. Return whether there was one."""
    with transaction.atomic():
        # The lock keeps another request from starting it meanwhile. The list has at most one row.
        locked_runs = list(
            Import.objects.select_for_update().filter(pk=run.pk, state=State.UPLOADED)
        )
        for locked_run in locked_runs:
            locked_run.delete()
            uploads.drop(locked_run.upload)
    return bool(locked_runs)


def tidy() -> None:
    """Delete orphaned files, imports never started, and expired data; runs every minute."""
    now = timezone.now()
    uploads.sweep(now=now)
    if cutoff := retention.cutoff("uploads", now=now):
        for run in Import.objects.filter(state=State.UPLOADED, created_at__lt=cutoff):
            discard(run)
    if cutoff := retention.cutoff("rejects", now=now):
        RejectPart.objects.filter(run__ended_at__lt=cutoff).delete()
    _delete_members(now=now)


def _delete_members(*, now: datetime) -> None:
    """Delete the members of old imports, except of imports that a segment's filter names."""
    cutoff = retention.cutoff("members", now=now)
    old_runs = (
        Import.objects.filter(ended_at__lt=cutoff, n_people__gt=0)
        if cutoff
        else Import.objects.none()
    )
    old_keys = set(old_runs.values_list("app_group_id", "pk"))
    if not old_keys:
        return
    filters_of = Segment.objects.values_list("app_group_id", "filter")
    keys_in_use = {(group, pk) for group, raw in filters_of for pk in filters.imports_in(raw)}
    for _group, pk in old_keys - keys_in_use:  # a segment of another group does not keep members
        if ImportMember.objects.filter(run=pk).exists():
            ImportMember.objects.filter(run=pk).delete()
