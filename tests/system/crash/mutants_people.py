"""Seed bugs of imports, erasures, withdrawn consent and idempotent calls."""

import json
import secrets
from contextlib import nullcontext
from types import SimpleNamespace

from django.conf import settings
from django.db import transaction
from django.db.models import F

from audiencesync.people.imports import chunk_writer, runner, uploads
from audiencesync.people.models import ErasedName, Erasure, Withdrawal
from audiencesync.people.models.imports import Import
from audiencesync.people.privacy import erasure_ledger
from audiencesync.rest import idempotency
from canvases.privacy import erase as privacy
from partners.queue.removals import consent as withdrawals
from partners.queue.removals import removal
from tests.system.crash import scenarios_calls as calls
from tests.system.crash import scenarios_consent as consent
from tests.system.crash import scenarios_erasures as erasures
from tests.system.crash import scenarios_imports as imports
from tests.system.crash import world
from tests.system.crash.mutants import seeded


@seeded(imports.IMPORT, "kill")
def offset_after_the_rows():
    """an import stores its position after the commit of the rows"""

    def write(worker, chunk, *, now):
        with transaction.atomic():
            written = worker.writer.write(chunk.rows, now=now)
            chunk_writer.store_rejects(worker.run, written.rejects, position=chunk.begin)
        worker.n_rows += chunk.n_rows
        problem_counts = worker.writer.problem_counts(written.rejects)
        return worker._advance(chunk, written, problem_counts, now=now)

    runner.Worker._write = write


@seeded(imports.IMPORT, "freeze")
def count_without_the_lease():
    """an import counts a chunk without checking the lease"""

    def advance(worker, chunk, written, problem_counts, *, now):
        n_rejected = len(written.rejects)
        counts = {
            "rows": chunk.n_rows,
            "created": written.created,
            "updated": written.updated,
            "rejected": n_rejected,
        }
        moves = {f"n_{name}": F(f"n_{name}") + n for name, n in counts.items()}
        where = {"position": chunk.end, "line": chunk.end_line, "leased_until": now + runner.LEASE}
        Import.objects.filter(pk=worker.run.pk).update(
            **moves,
            **where,
            n_people=F("n_people") + written.people,
            problem_counts=problem_counts,
        )
        return True

    runner.Worker._advance = advance


@seeded(imports.IMPORT, "kill")
def file_goes_first():
    """the file of an import is deleted before its end is stored"""
    end = runner.end

    def ending(run, state, *, trouble=""):
        uploads.drop(run.upload)
        return end(run, state, trouble=trouble)

    runner.end = ending


@seeded(imports.AT_WORK, "freeze", dies_of=("the other left",))  # message of the scenario
def lease_of_the_next():
    """an import's row is read after its lease was taken, so the lease may be the next worker's"""

    def lease(*, now):
        for run in Import.objects.filter(state=Import.State.RUNNING):
            if runner._claim(run.pk, secrets.token_hex(16), now=now):
                return Import.objects.select_related("app_group").get(pk=run.pk)
        return None

    runner.lease = lease


@seeded(erasures.ERASE, "kill")
def removals_are_noted_first():
    """an erasure is marked as queued before its removals are queued"""
    ask = privacy._queue_removals

    def asking(erasures, *, now):
        Erasure.objects.filter(pk__in=[erasure.pk for erasure in erasures]).update(asked_at=now)
        ask(erasures, now=now)

    privacy._queue_removals = asking


@seeded(erasures.ERASE, "kill")
def receipt_at_once():
    """the receipt of an erasure is written before its removals have ended"""

    def conclude(erasures, *, now):
        answers = removal.answers(privacy.PURPOSE, [erasure.pk for erasure in erasures])
        for erasure in erasures:
            privacy._end_erasure(erasure, answers[erasure.pk], now=now)

    privacy._end_or_postpone = conclude


@seeded(erasures.ERASED_UNDER_WAY, "kill")
def only_synced_audiences():
    """an erasure ignores the audiences to which an add is under way"""
    places = removal.audiences_of

    def found(profiles):
        synced = removal.Delivery.objects.filter(
            profile__in=profiles, batch__state="synced", outcome=None
        )
        there = set(synced.values_list("batch__audience", flat=True))
        return {audience: who for audience, who in places(profiles).items() if audience in there}

    removal.audiences_of = found


@seeded(erasures.ERASED_UNDER_WAY, "freeze")
def no_rest():
    """the hashes of an erased person are deleted as soon as the last removal has ended"""
    world.SYNC_TIMES["erasure_rest"] = 0.0


@seeded(erasures.ERASE, "kill")
def names_after_the_wipe():
    """names of an erased profile are stored in a later transaction than its erasure"""
    erase, later = privacy.erase, []

    def erasing(app_group, profile_ids, *, asked_by, now):
        made = erase(app_group, profile_ids, asked_by=asked_by, now=now)
        with transaction.atomic():
            for group, names in later:
                erasure_ledger.write(group, names, erasure=None, now=now)
            later.clear()
        return made

    def remember(app_group, who, made, *, now):
        later.append((app_group, [name for _pk, name in erasure_ledger.names_of(app_group, who)]))

    privacy.erase, privacy._suppress = erasing, remember


@seeded(erasures.ERASE_END, "kill")
def filed_before_it_is():
    """names are marked as filed before they are in the file"""

    def file():
        rows = list(ErasedName.objects.filter(is_filed=False))
        with transaction.atomic():
            ErasedName.objects.filter(pk__in=[row.pk for row in rows]).update(is_filed=True)
        with open(settings.ERASURE_LEDGER, "a", encoding="ascii") as out:
            for row in rows:
                line = {
                    "group": row.app_group_id,
                    "kind": row.kind,
                    "digest": bytes(row.digest).hex(),
                    "at": row.at.isoformat(),
                }
                out.write(json.dumps(line) + "\n")

    erasure_ledger.append_to_file = file


@seeded(consent.WITHDRAW, "kill")
def withdrawal_is_deleted_first():
    """a withdrawal is deleted before its removals are queued"""
    act = withdrawals.act

    def acting(**how):
        rows = list(Withdrawal.objects.all())
        Withdrawal.objects.all().delete()
        with transaction.atomic():
            Withdrawal.objects.bulk_create(rows)
            act(**how)

    withdrawals.act = acting


@seeded(calls.TRACK, "kill")
def answer_after_the_work():
    """the answer to a call is stored after the commit of its work"""
    idempotency.transaction = SimpleNamespace(atomic=nullcontext, set_rollback=lambda _wanted: None)
