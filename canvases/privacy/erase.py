"""Erase profiles: hide them at once, remove them from every audience, then delete their rows.

An erasure is a row that a periodic task continues: it survives crashes, lost tokens and restores.
The ledger is a file with salted hashes of the names of erased people, that is of their ids, e-mails
and phones (people/privacy). A profile and the anonymous ones that were merged into it are a family.
"""

from __future__ import annotations

import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from audiencesync.core import chunks
from audiencesync.core.beat import exclusive, wake
from audiencesync.groups.models import Activity, AppGroup, User
from audiencesync.people.models import KINDS, Erasure, Event, Profile, UserAlias
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing import live_marks, rework
from audiencesync.people.writing.columns import ALTERNATIVES
from audiencesync.people.writing.identify import family
from canvases.models import Canvas
from partners.models import Reason, Sync
from partners.queue.removals import consent, misreadings, removal

logger = logging.getLogger(__name__)
TASK = "canvases.privacy.erase.beat"
CHUNK = 500  # profiles or erasures in one transaction
PURPOSE = Sync.Purpose.ERASURE
# Added to the deadline of removals, which runs from the first failure and not from the erasure.
GIVE_UP_MARGIN = timedelta(days=1)
EAGER_AGE = timedelta(minutes=1)  # an erasure younger than this is checked in every run
MAX_LOOK_INTERVAL = timedelta(minutes=5)  # between two checks of an erasure


def erase(
    app_group: AppGroup, profile_ids: Iterable[int], *, asked_by: str, now: datetime
) -> list[Erasure]:
    """Hide profiles at once and queue their removal from every audience; return one receipt each.

    Hold the locks of the canvases: visits that move now finish first, later ones see the erasure.
    """
    with transaction.atomic():
        Canvas.lock_all(app_group)
        profiles = Profile.objects.filter(app_group=app_group, pk__in=list(profile_ids))
        people = list(profiles.select_for_update().order_by("pk"))
        erasures = Erasure.objects.bulk_create(
            Erasure(
                app_group=app_group,
                profile=person,
                asked_by=asked_by[:200],
                requested_at=now,
                look_at=now,
            )
            for person in people
        )
        _suppress(app_group, people, erasures, now=now)
        family_ids = sorted(family([person.pk for person in people]))
        removal.cancel_adds(family_ids, Reason.ERASED, now=now)
        _delete_data(family_ids, now=now)
        # They are hidden from now on, so they leave their segments.
        live_marks.note(app_group.pk, family_ids)
        wake(TASK)
    return erasures


def erase_by(
    user: User, app_group: AppGroup, profile_ids: Sequence[int], *, now: datetime
) -> list[Erasure]:
    """Erase profiles for a user of a page, with a line in the activity log."""
    with transaction.atomic():
        erasures = erase(app_group, profile_ids, asked_by=str(user), now=now)
        if erasures:  # else another request has erased them meanwhile
            people = ngettext("%(n)d person", "%(n)d people", len(erasures)) % {"n": len(erasures)}
            Activity.log(app_group, user, Activity.Verb.ERASED, people, kind=Activity.Kind.PEOPLE)
    return erasures


def release(user: User, erasure: Erasure, *, now: datetime) -> None:
    """Take the identity of a receipt off the suppression list, with a line in the activity log."""
    with transaction.atomic():
        if erasure_ledger.release(erasure, now=now):
            subject = gettext("erasure %(key)s: held back no longer") % {"key": erasure.key}
            verb, kind = Activity.Verb.CHANGED, Activity.Kind.PERSON
            Activity.log(erasure.app_group, user, verb, subject, kind=kind)


def _suppress(
    app_group: AppGroup, people: Sequence[Profile], erasures: Sequence[Erasure], *, now: datetime
) -> None:
    """Write the identifiers of erased people, salted and hashed, to the suppression list."""
    names = defaultdict(list)
    for pk, name in erasure_ledger.names_of(app_group, people):
        names[pk].append(name)
    for erasure in erasures:
        erasure_ledger.write(app_group, names[erasure.profile_id or 0], erasure=erasure, now=now)


def _delete_data(profile_ids: Sequence[int], *, now: datetime) -> None:
    """Delete all data of profiles but the hashes, which the removals need."""
    blank: dict[str, Any] = {
        **dict.fromkeys(KINDS, ""),
        **dict.fromkeys(ALTERNATIVES.values()),  # never sent, so no removal needs them
        "country": "",
        "language": "",
        "attributes": {},
    }
    people = Profile.everybody.filter(pk__in=profile_ids)
    people.update(external_id=None, ads_consent=False, erased_at=now, updated_at=now, **blank)
    Event.objects.filter(profile__in=profile_ids).delete()
    UserAlias.objects.filter(profile__in=profile_ids).delete()


def beat() -> None:
    """Run as a task: apply changed settings and withdrawals, continue erasures, write their ledger.

    One run at a time, each part for a bounded time so that none starves. Schedule another run if
    work is left.
    """
    seconds = settings.SYNC.flush_seconds
    parts: tuple[Callable[[], object], ...] = (
        _write_ledger,
        lambda: rework.rework(seconds=seconds),
        lambda: consent.act(now=timezone.now(), seconds=seconds),
        lambda: misreadings.act(now=timezone.now(), seconds=seconds),
        lambda: proceed(now=timezone.now(), seconds=seconds),
    )
    with exclusive(TASK, settings.SYNC.lease) as is_mine:
        has_more = [_run_part(part) for part in parts if is_mine]
    if any(has_more):
        wake(TASK)


def _write_ledger() -> bool:
    """Write new names to the ledger file; return whether some were written.

    Names that cannot be written stay in the database and are suppressed from there.
    """
    try:
        return bool(erasure_ledger.append_to_file())
    except OSError as error:
        path = settings.ERASURE_LEDGER
        logger.error(
            "The ledger of erasures %s cannot be written (%s); no name is lost, it is tried again.",
            path,
            error,
        )
        return False


def _run_part(part: Callable[[], object]) -> bool:
    """Run a part; return whether work is left."""
    try:
        return bool(part())
    except DatabaseError:
        raise  # the other parts would fail as well
    except Exception:  # the edge of a loop: an error in one part must not stop the others
        logger.exception("A part of the privacy beat failed; the next beat tries again.")
        return False


def proceed(*, now: datetime, seconds: float = math.inf) -> bool:
    """Continue every open erasure that is due; return whether work is left.

    A ``look_at`` further ahead than MAX_LOOK_INTERVAL was written by a wrong clock: it is due.
    """
    ends_at = time.monotonic() + seconds
    due_q = Q(look_at__lte=now) | Q(look_at__gt=now + MAX_LOOK_INTERVAL)
    due = Erasure.objects.filter(due_q, state=Erasure.State.REMOVING)
    not_queued = list(due.filter(asked_at=None).order_by("pk")[:CHUNK])
    if not_queued:
        _queue_removals(not_queued, now=now)
    for page in chunks.walk(due.exclude(asked_at=None), CHUNK):
        _end_or_postpone(list(page.order_by("pk")), now=now)
        if time.monotonic() > ends_at:
            return True
    return len(not_queued) == CHUNK


def _queue_removals(erasures: Sequence[Erasure], *, now: datetime) -> None:
    """Queue a removal per profile and audience. Idempotent, so a crash does no harm."""
    erasure_of = {erasure.profile_id: erasure.pk for erasure in erasures if erasure.profile_id}
    profile_of = family(list(erasure_of))
    for audience, people in sorted(removal.audiences_of(list(profile_of)).items()):
        erasure_ids = {erasure_of[profile_of[pk]] for pk in people}
        pairs = Erasure.objects.filter(pk__in=erasure_ids).values_list("pk", "profile_id")
        removal.remove(audience, PURPOSE, pairs, now=now)
    Erasure.objects.filter(pk__in=[erasure.pk for erasure in erasures]).update(asked_at=now)


def _end_or_postpone(erasures: Sequence[Erasure], *, now: datetime) -> None:
    """End erasures whose removals were settled long enough ago; postpone the next check of others.

    Erasures do not end at once: a late worker may push an add after the removal. The removal is
    then repeated (compensation), which needs the hashes.
    """
    keys = [erasure.pk for erasure in erasures]
    removal.give_up(PURPOSE, keys, now=now)
    removals = removal.states(PURPOSE, keys)
    ended, postponed = [], []
    for erasure in erasures:
        look_at = _next_check(erasure, removals.get(erasure.pk), now=now)
        if look_at is None:
            ended.append(erasure)
        elif look_at > now:
            erasure.look_at = min(look_at, now + MAX_LOOK_INTERVAL)
            postponed.append(erasure)
    Erasure.objects.bulk_update(postponed, ["look_at"])
    answers = removal.answers(PURPOSE, [erasure.pk for erasure in ended])
    for erasure in ended:
        _end_erasure(erasure, answers[erasure.pk], now=now)


def _give_up_age() -> timedelta:
    """Return the age after which an erasure ends even with removals still open."""
    return timedelta(seconds=settings.SYNC.erasure_deadline) + GIVE_UP_MARGIN


def _next_check(
    erasure: Erasure, removals: removal.RemovalState | None, *, now: datetime
) -> datetime | None:
    """Return when to check again; None to end the erasure.

    ``removals``: None if there was nothing to remove. A settled time far in the future was written
    by a wrong clock, and is ignored.
    """
    age = now - erasure.requested_at
    if removals is None or age > _give_up_age():
        return None
    if removals.is_open:
        return now + age / 10 if age > EAGER_AGE else now
    rest_time = timedelta(seconds=settings.SYNC.erasure_rest)
    is_resting = removals.settled_at is not None and abs(now - removals.settled_at) < rest_time
    return removals.settled_at + rest_time if removals.settled_at and is_resting else None


def _end_erasure(erasure: Erasure, answers: list[dict[str, Any]], *, now: datetime) -> None:
    """Write the receipt and delete the rows of the profile and of those merged into it."""
    with transaction.atomic():
        Canvas.lock_all(erasure.app_group)
        still_open = Erasure.objects.filter(pk=erasure.pk, state=Erasure.State.REMOVING)
        if (
            still_open.update(state=Erasure.State.DONE, done_at=now, places=answers)
            and erasure.profile_id
        ):
            Profile.everybody.filter(
                pk__in=sorted(family([erasure.profile_id]), reverse=True)
            ).delete()


def erase_again(path: Path, *, now: datetime) -> int:
    """After a restore of a backup, repeat the erasures of the ledger; return how many."""
    n = 0
    for group_id, names in erasure_ledger.read(path).items():
        group = AppGroup.objects.filter(pk=group_id).first()
        if group is None:
            continue
        people = erasure_ledger.restored_people(group, set(names))
        for start in range(0, len(people), CHUNK):
            n += len(
                erase(
                    group,
                    people[start : start + CHUNK],
                    asked_by=Erasure.BY_RESTORE,
                    now=now,
                )
            )
        erasure_ledger.restore(group, names)
    return n


def receipt(erasure: Erasure) -> dict[str, Any]:
    """Return the receipt as JSON. It does not identify the person."""
    return {
        "key": erasure.key,
        "state": erasure.state,
        "asked_by": erasure.asked_by,
        "requested_at": erasure.requested_at.isoformat(),
        "done_at": erasure.done_at and erasure.done_at.isoformat(),
        "audiences": erasure.places,
    }


def receipts(app_group: AppGroup) -> QuerySet[Erasure]:
    """Return the erasures of a group, the newest first."""
    return Erasure.objects.filter(app_group=app_group)


def with_current_places(erasures: Iterable[Erasure]) -> list[Erasure]:
    """Return erasures with their ``places``; of open ones, the current state of their removals."""
    listed = list(erasures)
    open_ids = [erasure.pk for erasure in listed if erasure.state == Erasure.State.REMOVING]
    answers = removal.answers(PURPOSE, open_ids) if open_ids else {}
    for erasure in listed:
        erasure.places = answers.get(erasure.pk, erasure.places)
    return listed
