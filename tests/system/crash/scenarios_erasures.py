"""Scenarios: an erasure cancels or reverts deliveries that wait, are under way or were sent.

After the last removal, an erasure *rests*: the hashes are kept for a while, so that a late call of
a frozen worker can be reverted. Names of erased people are *filed* in the ledger's file.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from audiencesync.people.models import (
    ErasedName,
    Erasure,
    Event,
    PastIdentifier,
    Profile,
    UserAlias,
    Withdrawal,
)
from audiencesync.people.privacy import erasure_ledger
from canvases.privacy import erase
from tests.support.clock import CLOCK, real_monotonic
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import LONGEST, PAUSE, SYNC_TIMES, World, sha256

GONE = "the-erased-one"
EMAIL, ALIAS, PLAN = "erased-one@example.org", "erased-alias", "erased-plan"
REST = timedelta(seconds=SYNC_TIMES["erasure_rest"])
OLD_HASH = 11  # number of the hash that the profile had before
TRACES = (GONE, EMAIL, ALIAS, PLAN, sha256(1).hex(), sha256(OLD_HASH).hex())


def prepare_synced_profile(world: World) -> None:
    """Sync three profiles; the first one was synced to one audience under two hashes.

    Its delivery for the other audience is pending.
    """
    for label, audience in (("add", "winback"), ("add again", "winback"), ("add too", "other")):
        world.create_sync(label, audience=audience)
    world.create_people(1, email=EMAIL, email_sha256=sha256(OLD_HASH), attributes={"plan": PLAN})
    world.create_people(2, 3)
    world.enter("add", 1, 2, 3)
    world.flush()
    _change_hash(world)
    world.enter("add again", 1)
    world.flush()
    world.enter("add too", 1, 2)
    Profile.objects.filter(external_id="1").update(external_id=GONE)


def _change_hash(world: World) -> None:
    """Change the e-mail address; add traces that the erasure must delete."""
    person = Profile.objects.get(external_id="1")
    PastIdentifier.objects.create(profile=person, kind="email", sha256=sha256(OLD_HASH))
    Profile.objects.filter(pk=person.pk).update(email_sha256=sha256(1))
    UserAlias.objects.create(app_group=world.group, profile=person, label="crm", name=ALIAS)
    Event.objects.create(app_group=world.group, profile=person, name=PLAN, at=timezone.now())


def _before_under_way(world: World) -> None:
    """Enter profiles; none was sent yet."""
    world.create_sync("add")
    world.create_people(1, email=EMAIL)
    world.create_people(2, 3)
    world.enter("add", 1, 2, 3)
    Profile.objects.filter(external_id="1").update(external_id=GONE)


def _has_privacy_work() -> bool:
    """Return whether the privacy beat has work left.

    If a process dies during a beat, the next beat can work only after the lease.
    """
    unfiled = ErasedName.objects.filter(is_filed=False)
    return (
        unfiled.exists()
        or Erasure.objects.filter(asked_at=None).exists()
        or Withdrawal.objects.exists()
    )


def _send_all(world: World) -> None:
    """Run the beats of privacy and queue until no work is left."""
    ends_at = real_monotonic() + LONGEST
    while True:
        erase.beat()
        world.flush(seconds=0.5)
        erase.beat()
        if real_monotonic() > ends_at or not (_has_privacy_work() or world.has_pending()):
            return
        CLOCK.pause(PAUSE)


def send_and_conclude(world: World) -> None:
    """Send all removals, then end the erasures at a time after their rest."""
    _send_all(world)
    erase.proceed(now=timezone.now() + REST)


def _request_erasure(world: World) -> None:
    """Request the erasure; do nothing if an earlier request has taken effect."""
    if pks := list(Profile.objects.filter(external_id=GONE).values_list("pk", flat=True)):
        erase.erase(world.group, pks, asked_by="Alice", now=timezone.now())


def _request_and_begin(world: World) -> None:
    _request_erasure(world)
    erase.beat()


def _request_and_send(world: World) -> None:
    """Erase and send all removals, but do not end the rest."""
    _request_erasure(world)
    _send_all(world)


def _erase(world: World) -> None:
    _request_erasure(world)
    send_and_conclude(world)


def _before_the_end(world: World) -> None:
    """Send all removals; no beat has seen their outcome yet."""
    prepare_synced_profile(world)
    _request_and_begin(world)
    world.flush()
    ErasedName.objects.update(is_filed=False)  # each run starts without the file


def _beat_after_the_rest(_world: World) -> None:
    erase.beat()
    erase.proceed(now=timezone.now() + REST)


def _check_erased(world: World) -> Iterator[str]:
    """Check that no trace of the profile is left, and that the ledger keeps it away."""
    erasures = list(Erasure.objects.values_list("state", "profile"))
    if erasures != [("done", None)]:
        yield f"erasures: {erasures}"
    if Profile.everybody.count() != 2:
        yield f"{Profile.everybody.count()} people are known"
    database = dump()
    yield from (
        f"{text} is still in the database"
        for text in TRACES
        if text in database or text.encode().hex() in database
    )
    names = {(row.kind, bytes(row.digest)) for row in ErasedName.objects.all()}
    path = Path(settings.ERASURE_LEDGER)
    filed = set(erasure_ledger.read(path).get(world.group.pk, ())) if path.exists() else set()
    if not names or filed != names or ErasedName.objects.filter(is_filed=False).exists():
        yield (
            f"the ledger has {len(filed & names)} of {len(names)} names, "
            f"and {len(filed - names)} others"
        )


def dump() -> str:
    """Return the content of all tables as text, bytes in hex."""
    texts = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                texts += [
                    bytes(value).hex() if isinstance(value, bytes | memoryview) else str(value)
                    for value in row
                ]
    return "\n".join(texts)


REMOVED = {"Erasure: winback": {"entered": 1, "synced": 1}}
ERASE = Scenario(
    "erasure",
    prepare=prepare_synced_profile,
    interrupted=_request_and_begin,
    retry=_erase,
    finish=_erase,
    check=_check_erased,
    allowed_ends=(
        End(
            counts={
                "add": {"entered": 3, "synced": 3},
                "add again": {"entered": 1, "synced": 1},
                "add too": {"entered": 2, "synced": 1, "cancelled": 1},
                "Erasure: other": {"entered": 1, "synced": 1},
            }
            | REMOVED,
            members={"winback": {2, 3}, "other": {2}},
        ),
    ),
)
ERASE_END = replace(
    ERASE, name="end of an erasure", prepare=_before_the_end, interrupted=_beat_after_the_rest
)
ERASED_UNDER_WAY = Scenario(
    "erasure while an add is under way",
    prepare=_before_under_way,
    interrupted=World.flush,
    retry=_erase,
    concurrent=_request_and_send,
    finish=_erase,
    check=_check_erased,
    allowed_ends=tuple(
        End(counts={"add": added} | REMOVED, members={"winback": {2, 3}})
        for added in ({"entered": 3, "synced": 3}, {"entered": 3, "synced": 2, "cancelled": 1})
    ),
)

ERASURES = (ERASE, ERASE_END, ERASED_UNDER_WAY)
