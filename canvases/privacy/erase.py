"""Erase profiles: hide them at once, remove them from every audience, then delete their rows.

An erasure is a row that a periodic task continues: it survives crashes, lost tokens and restores.
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
AT_ONCE = 500
PURPOSE = Sync.Purpose.ERASURE
SPARE = timedelta(days=1)  # the deadline of a removal runs from its first failure
EAGER = timedelta(minutes=1)  # an erasure younger than this is looked at in every run
SELDOM = timedelta(minutes=5)  # the longest time between two looks


def erase(
    app_group: AppGroup, profile_ids: Iterable[int], *, asked_by: str, now: datetime
) -> list[Erasure]:
    """Hide profiles at once and queue their removal from every audience; return one receipt each.

    Holds the locks of the canvases: visits that move now finish first, later ones see the erasure.
    """
    with transaction.atomic():
        Canvas.lock_all(app_group)
        wanted = Profile.objects.filter(app_group=app_group, pk__in=list(profile_ids))
        people = list(wanted.select_for_update().order_by("pk"))
        made = Erasure.objects.bulk_create(
            Erasure(
                app_group=app_group,
                profile=person,
                asked_by=asked_by[:200],
                requested_at=now,
                look_at=now,
            )
            for person in people
        )
        _remember(app_group, people, made, now=now)
        mine = sorted(family([person.pk for person in people]))
        removal.cancel_adds(mine, Reason.ERASED, now=now)
        _strip(mine, now=now)
        live_marks.note(app_group.pk, mine)  # hidden from now on, so they leave their segments
        wake(TASK)
    return made


def erase_by(
    user: User, app_group: AppGroup, profile_ids: Sequence[int], *, now: datetime
) -> list[Erasure]:
    """Erase profiles for a user of a page, with a line in the activity log."""
    with transaction.atomic():
        made = erase(app_group, profile_ids, asked_by=str(user), now=now)
        if made:  # else another request has erased them meanwhile
            people = ngettext("%(n)d person", "%(n)d people", len(made)) % {"n": len(made)}
            Activity.log(app_group, user, Activity.Verb.ERASED, people, kind=Activity.Kind.PEOPLE)
    return made


def release(user: User, erasure: Erasure, *, now: datetime) -> None:
    """Take the identity of a receipt off the suppression list, with a line in the activity log."""
    with transaction.atomic():
        if erasure_ledger.release(erasure, now=now):
            subject = gettext("erasure %(key)s: held back no longer") % {"key": erasure.key}
            Activity.log(erasure.app_group, user, Activity.Verb.CHANGED, subject)


def _remember(
    app_group: AppGroup, people: Sequence[Profile], made: Sequence[Erasure], *, now: datetime
) -> None:
    """Write their identifiers, salted and hashed, to the suppression list."""
    names = defaultdict(list)
    for pk, name in erasure_ledger.names_of(app_group, people):
        names[pk].append(name)
    for erasure in made:
        erasure_ledger.write(app_group, names[erasure.profile_id or 0], erasure=erasure, now=now)


def _strip(profile_ids: Sequence[int], *, now: datetime) -> None:
    """Delete all data but the hashes, which the removals need."""
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
        _file,
        lambda: rework.rework(seconds=seconds),
        lambda: consent.act(now=timezone.now(), seconds=seconds),
        lambda: misreadings.act(now=timezone.now(), seconds=seconds),
        lambda: proceed(now=timezone.now(), seconds=seconds),
    )
    with exclusive(TASK, settings.SYNC.lease) as is_mine:
        left = [_carry_on(part) for part in parts if is_mine]
    if any(left):
        wake(TASK)


def _file() -> bool:
    """Write new names to the ledger file; return whether some were written.

    Names that cannot be written stay in the database and are suppressed from there.
    """
    try:
        return bool(erasure_ledger.file())
    except OSError as error:
        path = settings.ERASURE_LEDGER
        logger.error(
            "The ledger of erasures %s cannot be written (%s); no name is lost, it is tried again.",
            path,
            error,
        )
        return False


def _carry_on(part: Callable[[], object]) -> bool:
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

    ``look_at`` far in the future was written by a wrong clock, and counts as due.
    """
    ends_at = time.monotonic() + seconds
    is_due = Q(look_at__lte=now) | Q(look_at__gt=now + SELDOM)
    due = Erasure.objects.filter(is_due, state=Erasure.State.REMOVING)
    unasked = list(due.filter(asked_at=None).order_by("pk")[:AT_ONCE])
    if unasked:
        _ask(unasked, now=now)
    for some in chunks.walk(due.exclude(asked_at=None), AT_ONCE):
        _conclude(list(some.order_by("pk")), now=now)
        if time.monotonic() > ends_at:
            return True
    return len(unasked) == AT_ONCE


def _ask(erasures: Sequence[Erasure], *, now: datetime) -> None:
    """Queue a removal per profile and audience. Idempotent, so a crash does no harm."""
    mine = {erasure.profile_id: erasure.pk for erasure in erasures if erasure.profile_id}
    who = family(list(mine))
    for audience, people in sorted(removal.audiences_of(list(who)).items()):
        chosen = {mine[who[pk]] for pk in people}
        crowd = Erasure.objects.filter(pk__in=chosen).values_list("pk", "profile_id")
        removal.remove(audience, PURPOSE, crowd, now=now)
    Erasure.objects.filter(pk__in=[erasure.pk for erasure in erasures]).update(asked_at=now)


def _conclude(erasures: Sequence[Erasure], *, now: datetime) -> None:
    """End erasures whose removals were settled long enough ago: write the receipt, delete the rest.

    A late worker may push an add after the removal. The removal is repeated then (compensation),
    and that needs the hashes: hence the rest time.
    """
    keys = [erasure.pk for erasure in erasures]
    removal.give_up(PURPOSE, keys, now=now)
    removals = removal.states(PURPOSE, keys)
    over, later = [], []
    for erasure in erasures:
        at = _next_look(erasure, removals.get(erasure.pk), now=now)
        if at is None:
            over.append(erasure)
        elif at > now:
            erasure.look_at = min(at, now + SELDOM)
            later.append(erasure)
    Erasure.objects.bulk_update(later, ["look_at"])
    answers = removal.answers(PURPOSE, [erasure.pk for erasure in over])
    for erasure in over:
        _end(erasure, answers[erasure.pk], now=now)


def _given_up() -> timedelta:
    """Return the age after which an erasure ends even with removals still open."""
    return timedelta(seconds=settings.SYNC.erasure_deadline) + SPARE


def _next_look(
    erasure: Erasure, removals: removal.RemovalState | None, *, now: datetime
) -> datetime | None:
    """Return when to look again, or None to end the erasure.

    A settled time in the future was written by a wrong clock, and is ignored.
    """
    age = now - erasure.requested_at
    if removals is None or age > _given_up():
        return None
    if removals.is_open:
        return now + age / 10 if age > EAGER else now
    rest = timedelta(seconds=settings.SYNC.erasure_rest)
    is_resting = removals.settled_at is not None and abs(now - removals.settled_at) < rest
    return removals.settled_at + rest if removals.settled_at and is_resting else None


def _end(erasure: Erasure, answers: list[dict[str, Any]], *, now: datetime) -> None:
    with transaction.atomic():
        Canvas.lock_all(erasure.app_group)
        open_still = Erasure.objects.filter(pk=erasure.pk, state=Erasure.State.REMOVING)
        if (
            open_still.update(state=Erasure.State.DONE, done_at=now, places=answers)
            and erasure.profile_id
        ):
            Profile.everybody.filter(
                pk__in=sorted(family([erasure.profile_id]), reverse=True)
            ).delete()


def erase_again(path: Path, *, now: datetime) -> int:
    """After a restore, repeat the erasures of the ledger; return how many."""
    n = 0
    for group_id, names in erasure_ledger.read(path).items():
        group = AppGroup.objects.filter(pk=group_id).first()
        if group is None:
            continue
        people = erasure_ledger.people_of(group, set(names))
        for start in range(0, len(people), AT_ONCE):
            n += len(
                erase(group, people[start : start + AT_ONCE], asked_by=Erasure.BY_RESTORE, now=now)
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


def so_far(erasures: Iterable[Erasure]) -> list[Erasure]:
    """Return erasures with places; of open ones, the current state of their removals."""
    listed = list(erasures)
    open_still = [erasure.pk for erasure in listed if erasure.state == Erasure.State.REMOVING]
    answers = removal.answers(PURPOSE, open_still) if open_still else {}
    for erasure in listed:
        erasure.places = answers.get(erasure.pk, erasure.places)
    return listed
