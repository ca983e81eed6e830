"""Scenarios: imports, each chunk of which is written or not, and cancelled imports."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from audiencesync.people.imports import chunk_writer, lifecycle, runner, uploads
from audiencesync.people.imports.csv_reader import Layout
from audiencesync.people.imports.mapping import Column, Plan
from audiencesync.people.models import PastIdentifier, Profile
from audiencesync.people.models.imports import Import, ImportMember, UploadPart
from audiencesync.people.privacy import erasure_ledger
from tests.support.clock import CLOCK, real_monotonic
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import LEASE, LONGEST, PAUSE, World

CHUNK = 3
HEADER = "external_id,email,plan"
ROWS = (
    *("1,one@example.org,gold", "n1,n1@example.org,", ",nobody@example.org,gold"),
    *("n2,n2@example.org,", "n2,,silver", "n1,later@example.org,gold"),
    *("n3,n3@example.org,", "2,,gold", ",,gold"),
    *("n4,,gold",),
)
COLUMNS = (
    Column("external_id", "external_id"),
    Column("email", "email"),
    Column("plan", "text", "plan"),
)
# "lines": the numbers of the rejected lines of the file; "past": former identifiers of profiles
WHOLE = {"created": 4, "updated": 4, "rejected": 2, "people": 6, "lines": [4, 10], "past": 2}
WITHOUT_N3 = {
    "created": 3,
    "updated": 4,
    "rejected": 3,
    "people": 5,
    "lines": [4, 8, 10],
    "past": 2,
}
ENDED = (Import.State.DONE, Import.State.CANCELLED)


def _before(world: World) -> None:
    """Upload and start an import; two of its profiles exist."""
    world.create_people(1, 2)
    data = "\n".join([HEADER, *ROWS]).encode()
    run = Import(
        app_group=world.group, file_name="people.csv", size=len(data), state=Import.State.RUNNING
    )
    run.plan, run.started_at = Plan(Layout(), COLUMNS).as_json(), timezone.now()
    uploads.save_import(run, io.BytesIO(data))


def _before_with_an_erased_person(world: World) -> None:
    """Upload and start an import; n3 was erased long ago."""
    _before(world)
    name = ("external_id", erasure_ledger.digest(world.group, "external_id", b"n3"))
    erasure_ledger.write(world.group, [name], erasure=None, now=timezone.now())


def speed_up() -> None:
    """Scale down time and chunks."""
    runner.CHUNK, runner.LEASE, runner.PAUSE = (
        CHUNK,
        timedelta(seconds=LEASE),
        timedelta(seconds=0.01),
    )


def _run_to_end(_world: World) -> None:
    """Run the import's beat until the import is over."""
    speed_up()
    ends_at = real_monotonic() + LONGEST
    runner.beat()
    while real_monotonic() < ends_at and Import.objects.filter(state=Import.State.RUNNING).exists():
        CLOCK.pause(PAUSE)
        runner.beat()


def _beat_once(_world: World) -> None:
    speed_up()
    runner.beat()


def _write_chunk_as_another(_world: World) -> None:
    """Write a chunk as another engine, which keeps a long lease for the next chunks.

    It waits for the end of the frozen engine's lease.
    """
    speed_up()
    ends_at = real_monotonic() + LONGEST
    while real_monotonic() < ends_at and Import.objects.filter(state=Import.State.RUNNING).exists():
        if run := runner.lease(now=timezone.now()):
            # The lease must not be longer: an end far ahead counts as written by a wrong clock.
            runner.LEASE = timedelta(seconds=100)
            with runner.Worker(run) as worker:
                worker.write_chunk(now=timezone.now())
            # The file name carries the number of rows to `_only_the_other_wrote`.
            Import.objects.filter(pk=run.pk, state=Import.State.RUNNING).update(
                file_name=F("n_rows")
            )
            return
        CLOCK.wait(PAUSE)  # unlike `pause`, does not wait for the other worker to be idle
    assert not Import.objects.filter(state=Import.State.RUNNING).exists(), "it got no lease"


def _only_the_other_wrote(world: World) -> None:
    """Check that the woken engine wrote nothing; then let the other engine go on."""
    for run in Import.objects.exclude(file_name="people.csv"):
        assert run.file_name == str(run.n_rows), (
            f"the other left {run.file_name} rows, now there are {run.n_rows}"
        )
    Import.objects.update(file_name="people.csv", leased_until=timezone.now())
    _run_to_end(world)


def _write_chunk_and_cancel(world: World) -> None:
    """Cancel after an engine has written one chunk."""
    speed_up()
    seconds, runner.TURN_SECONDS = runner.TURN_SECONDS, 0.0  # ends after the first chunk
    runner.beat()
    runner.TURN_SECONDS = seconds
    _cancel_and_run(world)


def _cancel_and_run(world: World) -> None:
    lifecycle.cancel(Import.objects.get())
    _run_to_end(world)


def _check_end(**expected) -> dict:
    """Return the fields of a scenario with this exact end."""

    def check(_world: World) -> Iterator[str]:
        run = Import.objects.get()
        actual = {
            name: getattr(run, f"n_{name}") for name in ("created", "updated", "rejected", "people")
        }
        actual |= {
            "lines": [reject.line for reject in chunk_writer.rejects(run)],
            "past": PastIdentifier.objects.count(),
        }
        if run.state != Import.State.DONE or actual != expected or run.n_rows != len(ROWS):
            yield (
                f"import: {run.state} {run.trouble}, {run.n_rows} rows, "
                f"{actual} instead of {expected}"
            )
        yield from _check_counts(run)
        plans = dict(Profile.objects.values_list("external_id", "attributes__plan"))
        if [plans.get(name) for name in ("1", "2", "n1", "n2")] != [
            "gold",
            "gold",
            "gold",
            "silver",
        ]:
            yield f"import: the last row of a person does not count: {plans}"

    return {"check": check, "allowed_ends": (End(counts={}),)}


def _check_cancelled(_world: World) -> Iterator[str]:
    """Check that imported rows stay and that the counts are exact."""
    run = Import.objects.get()
    after_chunks = {*range(0, len(ROWS), CHUNK), len(ROWS)}
    n_rows = after_chunks if run.state == Import.State.CANCELLED else {len(ROWS)}
    if run.state not in ENDED or run.n_rows not in n_rows:
        yield f"import: {run.state} {run.trouble} after {run.n_rows} rows"
    yield from _check_counts(run)


def _check_counts(run: Import) -> Iterator[str]:
    """Check that the counts of the import agree with each other and with the rows."""
    names = list(Profile.objects.values_list("external_id", flat=True))
    if len(names) != 2 + run.n_created or len(set(names)) != len(names):
        yield f"import: {run.n_created} created, but the people are {names}"
    if run.n_rows != run.n_created + run.n_updated + run.n_rejected or run.line != run.n_rows + (
        run.position > 0
    ):
        yield (
            f"import: {run.n_rows} rows read to line {run.line}: "
            f"{run.n_created}, {run.n_updated}, {run.n_rejected}"
        )
    if ImportMember.objects.filter(run=run).count() != run.n_people:
        yield f"import: {run.n_people} people, {ImportMember.objects.count()} members"
    if len(list(chunk_writer.rejects(run))) != run.n_rejected:
        yield f"import: {run.n_rejected} rejected, {len(list(chunk_writer.rejects(run)))} kept"
    if UploadPart.objects.exists():
        yield "import: the file is still there"


IMPORT = Scenario(
    "import", prepare=_before, interrupted=_run_to_end, finish=_run_to_end, **_check_end(**WHOLE)
)
IMPORT_PAST_ERASED = Scenario(
    "import meets an erased person",
    prepare=_before_with_an_erased_person,
    interrupted=_run_to_end,
    finish=_run_to_end,
    **_check_end(**WITHOUT_N3),
)
CANCELLED = Scenario(
    "import is cancelled",
    prepare=_before,
    interrupted=_write_chunk_and_cancel,
    retry=_cancel_and_run,
    finish=_run_to_end,
    allowed_ends=(End(counts={}),),
    check=_check_cancelled,
)
CANCELLED_LATE = Scenario(
    "import is cancelled late",
    prepare=_before,
    interrupted=_write_chunk_and_cancel,
    concurrent=_run_to_end,
    finish=_run_to_end,
    allowed_ends=(End(counts={}),),
    check=_check_cancelled,
)
AT_WORK = replace(
    IMPORT,
    name="import while another is at work",
    interrupted=_beat_once,
    concurrent=_write_chunk_as_another,
    finish=_only_the_other_wrote,
    concurrent_drains=False,
)
IMPORTS = (IMPORT, IMPORT_PAST_ERASED, CANCELLED)
