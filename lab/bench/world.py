"""Fill a fresh database: people by the million, a connected ad account, a canvas of one step."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import requests
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.groups.models import AppGroup, User
from audiencesync.people.demo import people
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import ChangedProfile, Signal, Subscription
from audiencesync.people.writing.bulk import NewProfile
from audiencesync.people.writing.columns import HASHES
from canvases.models import Canvas, Step, Visit
from lab.stack.sandbox import SandboxClient
from partners import registry
from partners.errors import Retry
from partners.models import AdAccount, Audience, Connection, Sync, Tally

MAX_INVENTED = 50_000  # people; any more are copies of these with random identifiers
COPIES_PER_STATEMENT = 100_000
_RANDOM = {"sqlite": "randomblob(32)", "postgresql": "sha256(random()::text::bytea)"}
_COPY = """
INSERT INTO {table} ({columns})
WITH RECURSIVE copies (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM copies WHERE n < {last})
SELECT {values} FROM {table} p CROSS JOIN copies
WHERE p.id <= {highest} ORDER BY copies.n, p.id LIMIT {most}
"""


def group() -> AppGroup:
    """Return the app group of the bench."""
    return AppGroup.objects.get_or_create(slug="bench", defaults={"name": "Bench"})[0]


def make_people(n: int) -> None:
    """Make ``n`` people: up to MAX_INVENTED invented, the others copied with random identifiers."""
    invented = min(n, MAX_INVENTED)
    people.make_people(group(), invented)
    if n > invented:
        _copy_people(invented, n - invented)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _copy_people(invented: int, n: int) -> None:
    """Add ``n`` copies of the ``invented`` people."""
    highest = Profile.objects.order_by("pk").values_list("pk", flat=True).last() or 0
    values = {name: f"p.{name}" for name in NewProfile._fields}
    values["external_id"] = "p.external_id || '-' || copies.n"
    for column in HASHES:
        digest = _RANDOM[connection.vendor]
        values[column] = f"CASE WHEN p.{column} IS NULL THEN NULL ELSE {digest} END"
    copies = -(-n // invented)  # copies of each person, rounded up
    step = max(1, COPIES_PER_STATEMENT // invented)
    for first in range(1, copies + 1, step):
        sql = _COPY.format(
            table=Profile._meta.db_table,
            columns=", ".join(values),
            values=", ".join(values.values()),
            first=first,
            last=min(first + step - 1, copies),
            highest=highest,
            most=min(step * invented, n - (first - 1) * invented),
        )
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)


def token() -> str:
    """Return a new access token of the sandbox's first user."""
    code = SandboxClient(settings.TIKTOK_API_URL).auth_code()
    return registry.get("tiktok").exchange(code, redirect_uri="").access_token


def ensure_ad_account() -> AdAccount:
    """Return the first ad account of the sandbox's first user; connect it if it is not."""
    account = AdAccount.objects.filter(connection__app_group=group()).first()
    if account is not None:
        return account
    access_token = token()
    row = Connection(partner="tiktok", app_group=group(), connected_at=timezone.now())
    row.set_token(access_token)
    row.save()
    remote = registry.get("tiktok").ad_accounts(access_token)[0]
    return AdAccount.objects.create(connection=row, remote_id=remote.id, name=remote.name)


def make_canvas(kinds: Sequence[str], audience: Audience | None = None) -> tuple[Canvas, Sync]:
    """Make a canvas for everybody; its one step adds to the audience, a new one by default."""
    name = f"bench {time.time_ns()}"
    audience = audience or _new_audience(name)
    everybody, _ = Segment.objects.get_or_create(app_group=group(), name="Everybody")
    canvas = Canvas.objects.create(app_group=group(), name=name, segment=everybody)
    sync = Sync.objects.create(
        app_group=group(), audience=audience, action="add", kinds=list(kinds), label=name, url="/"
    )
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    step.syncs.add(sync)
    return canvas, sync


def _new_audience(name: str) -> Audience:
    """Create an audience; try again each second while the partner refuses for its rate limit."""
    account, create = ensure_ad_account(), registry.get("tiktok").create_audience
    while True:
        try:
            remote_id = create(account.connection.token, account.remote_id, name=name)
        except Retry:
            time.sleep(1)
            continue
        return Audience.objects.create(ad_account=account, name=name, remote_id=remote_id)


def session(*scopes: str) -> requests.Session:
    """Return a session with a new API key of these scopes."""
    _key, text = api_keys.issue(group(), name="bench", scopes=list(scopes), by=None)
    http = requests.Session()
    http.trust_env = False
    http.headers.update({"Authorization": f"Bearer {text}", "Content-Type": "application/json"})
    return http


def track(session: requests.Session, body: dict[str, Any]) -> None:
    """Post a body to /users/track. Raise requests.HTTPError if it is refused."""
    session.post(f"{settings.SITE_URL}/users/track", json=body, timeout=60).raise_for_status()


def await_rest(*, quiet: float, longest: float) -> float:
    """Wait until the engine has had nothing to do for ``quiet`` seconds.

    Return how many seconds it was busy before that. Raise SystemExit after ``longest`` seconds.
    """
    started = quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < quiet:
        if _is_busy():
            quiet_since = time.monotonic()
        if time.monotonic() - started > longest:
            raise SystemExit(f"The engine did not come to rest within {longest:.0f} s.")
        time.sleep(0.25)
    return quiet_since - started


def _is_busy() -> bool:
    now = timezone.now()
    return (
        ChangedProfile.objects.exists()
        or Signal.objects.exists()
        or Tally.objects.filter(pending__gt=0).exists()
        or Subscription.objects.filter(sweep_at__lte=now).exists()
        or Canvas.objects.exclude(entry_until=None).exists()
        or Visit.objects.filter(left_at=None, due_at__lte=now).exists()
    )


def user() -> User:
    """Return the user who launches."""
    return User.objects.get_or_create(email="bench@example.org")[0]
