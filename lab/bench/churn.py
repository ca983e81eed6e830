"""Let people leave and join segments of three canvases, and compare the audiences with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Mod
from django.db.models.lookups import In
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.writing import live_marks
from canvases import laws
from canvases.models import Canvas
from lab.bench import live, world
from lab.stack.sandbox import SandboxClient
from partners.models import Audience

CHUNK = 10_000
QUIET = settings.BEAT_SECONDS + 1  # seconds without work
LONGEST = 1800.0
# A person's number modulo 10: 20 % of the people move away, 10 % come home.
LEAVE, COME = (0, 1), (9,)
HOME, AWAY = "DE", "FR"
AT_HOME = {"field": "country", "op": "is", "value": HOME}
IS_AWAY = {"field": "country", "op": "is", "value": AWAY}
GERMAN = {"field": "language", "op": "is", "value": "de"}


def begin(*, kinds: Sequence[str]) -> dict[str, Any]:
    """Launch three canvases. Two share an audience: who leaves one of them may join the other."""
    _people().update(country=HOME)
    _people(*COME).update(country=AWAY)
    _mirror("home", [AT_HOME], kinds)
    _mirror("german", [IS_AWAY, GERMAN], kinds, _audience("home"))
    _mirror("away", [IS_AWAY], kinds)
    return {}


def _mirror(
    name: str,
    conditions: list[dict[str, str]],
    kinds: Sequence[str],
    audience: Audience | None = None,
) -> None:
    some = {"all": conditions}
    segment = Segment.objects.create(app_group=world.group(), name=name, filter=some)
    canvas = live.mirror(segment, kinds, audience)
    Canvas.objects.filter(pk=canvas.pk).update(name=name)


def _audience(canvas: str) -> Audience:
    return Audience.objects.get(syncs__steps__canvas__name=canvas)


def _people(*numbers: int) -> QuerySet[Profile]:
    """Return the people with these numbers modulo 10; all by default."""
    lane = Mod("pk", 10)
    everybody = Profile.objects.filter(app_group=world.group())
    return everybody.filter(In(lane, numbers)) if numbers else everybody


def change() -> dict[str, Any]:
    """Change people in chunks, and mark them in the same transaction, as every writer does."""
    changed = 0
    for lanes, country in ((LEAVE, AWAY), (COME, HOME)):
        ids = list(_people(*lanes).values_list("pk", flat=True))
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            with transaction.atomic():
                Profile.objects.filter(pk__in=some).update(country=country)
                live_marks.note(world.group().pk, some)
        changed += len(ids)
    return {"changed": changed}


def end() -> dict[str, Any]:
    """Wait until nothing is left to do; compare the sandbox's audiences with the segments."""
    seconds = world.await_rest(quiet=QUIET, longest=LONGEST)
    wrong = [*laws.broken(now=timezone.now()), *_differences()]
    if wrong:
        raise SystemExit("\n".join(wrong[:20]))
    return {"seconds_until_quiet": round(seconds, 1), "laws": "hold"}


def _differences() -> Iterator[str]:
    sandbox = SandboxClient(settings.TIKTOK_API_URL)
    for name, who in (
        ("home", Q(country=HOME) | Q(country=AWAY, language="de")),
        ("away", Q(country=AWAY)),
    ):
        members = {digest for _schema, digest in sandbox.members(_audience(name).remote_id)}
        sendable = _people().filter(who, erased_at=None).exclude(ads_consent=False)
        hashes = sendable.exclude(email_sha256=None).values_list("email_sha256", flat=True)
        wanted = {bytes(digest).hex() for digest in hashes.iterator() if digest}
        if members != wanted:
            yield (
                f"L8 {name}: {len(wanted - members)} are missing, "
                f"{len(members - wanted)} too many of {len(wanted)}"
            )
