"""Let people leave and join the segments of three canvases; compare audiences with segments."""

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
QUIET_SECONDS = settings.BEAT_SECONDS + 1  # after this long without work, all is done
MAX_SECONDS = 1800.0  # how long to wait until all is done
# People are chosen by the last digit of their id: 20 % move away, 10 % come home.
LEAVING, COMING = (0, 1), (9,)
HOME, AWAY = "DE", "FR"
AT_HOME = {"field": "country", "op": "is", "value": HOME}
IS_AWAY = {"field": "country", "op": "is", "value": AWAY}
GERMAN = {"field": "language", "op": "is", "value": "de"}


def begin(*, kinds: Sequence[str]) -> dict[str, Any]:
    """Launch three canvases; two share an audience, and people who leave one may join the other."""
    _people().update(country=HOME)
    _people(*COMING).update(country=AWAY)
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
    segment = Segment.objects.create(app_group=world.group(), name=name, filter={"all": conditions})
    canvas = live.mirror(segment, kinds, audience)
    Canvas.objects.filter(pk=canvas.pk).update(name=name)


def _audience(canvas: str) -> Audience:
    return Audience.objects.get(syncs__steps__canvas__name=canvas)


def _people(*digits: int) -> QuerySet[Profile]:
    """Return the people whose ids end with these digits; all by default."""
    everybody = Profile.objects.filter(app_group=world.group())
    return everybody.filter(In(Mod("pk", 10), digits)) if digits else everybody


def change() -> dict[str, Any]:
    """Change people in chunks; note them as changed in the same transaction, as writers must."""
    n_changed = 0
    for digits, country in ((LEAVING, AWAY), (COMING, HOME)):
        ids = list(_people(*digits).values_list("pk", flat=True))
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            with transaction.atomic():
                Profile.objects.filter(pk__in=chunk).update(country=country)
                live_marks.note(world.group().pk, chunk)
        n_changed += len(ids)
    return {"changed": n_changed}


def end() -> dict[str, Any]:
    """Wait until nothing is left to do; compare the sandbox's audiences with the segments."""
    seconds = world.await_rest(quiet=QUIET_SECONDS, longest=MAX_SECONDS)
    violations = [*laws.broken(now=timezone.now()), *_differences()]
    if violations:
        raise SystemExit("\n".join(violations[:20]))
    return {"seconds_until_quiet": round(seconds, 1), "laws": "hold"}


def _differences() -> Iterator[str]:
    sandbox = SandboxClient(settings.TIKTOK_API_URL)
    for name, condition in (
        ("home", Q(country=HOME) | Q(country=AWAY, language="de")),
        ("away", Q(country=AWAY)),
    ):
        members = {digest for _schema, digest in sandbox.members(_audience(name).remote_id)}
        sendable = _people().filter(condition, erased_at=None).exclude(ads_consent=False)
        hashes = sendable.exclude(email_sha256=None).values_list("email_sha256", flat=True)
        expected = {bytes(digest).hex() for digest in hashes.iterator() if digest}
        if members != expected:
            yield (
                f"L8 {name}: {len(expected - members)} are missing, "
                f"{len(members - expected)} too many of {len(expected)}"
            )
