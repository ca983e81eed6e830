"""The rows of a chaos run, two groups on the same ad accounts, and the acts of its users.

Every act can be repeated without harm, because actors repeat acts, and callers repeat calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import QueryDict
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step
from lab.stack.sandbox import SandboxClient
from partners import registry, sync
from partners.audiences import creation
from partners.connections import connect as connecting
from partners.connections import oauth
from partners.errors import PartnerError
from partners.models import AdAccount, Audience, Connection, Sync

GROUPS = ("north", "south")
AUDIENCES = ("winback", "loyal")
N_ACCOUNTS = 2  # ad accounts that each group connects; both groups connect the same ones
KEY_SPAN = 10_000_000  # entry key = act * KEY_SPAN + profile id; above any profile id
REFUSALS = (PartnerError, oauth.NotAuthorized)  # errors that an act may raise during faults


def hash_of(external_id: str) -> bytes:
    """Return the hash of the e-mail address of the profile with this external id."""
    return normalise.digest(f"{external_id}@example.com")


def create_rows() -> dict[str, Any]:
    """Make the first rows: groups, connections, audiences, syncs and canvases."""
    for slug in GROUPS:
        group = AppGroup.objects.create(slug=slug, name=slug)
        admin = User.objects.create(email=f"{slug}@example.org")
        Membership.objects.create(user=admin, app_group=group, role=Role.ADMIN)
        connect(group=slug)
        for account in AdAccount.objects.filter(connection__app_group=group):
            for name in AUDIENCES:
                audience = creation.create(account, f"{slug} {name}", by=admin, now=timezone.now())
                for action in ("add", "remove"):
                    _sync(audience, action, label="direct")
            _canvas(account)
    return {"syncs": Sync.objects.count()}


def _sync(audience: Audience, action: str, *, label: str) -> Sync:
    return Sync.objects.create(
        app_group_id=audience.ad_account.connection.app_group_id,
        audience=audience,
        action=action,
        kinds=["email"],
        label=label,
        url="/",
        is_live=True,
    )


def _canvas(account: AdAccount) -> None:
    """Make a canvas that adds everybody to one audience, then removes them from another one."""
    group = account.connection.app_group
    everybody, _ = Segment.objects.get_or_create(app_group=group, name="Everybody")
    canvas = Canvas.objects.create(
        app_group=group, name=f"Journey {account.remote_id}", segment=everybody
    )
    parent = None
    for name, action in zip(AUDIENCES, ("add", "remove"), strict=True):
        audience = Audience.objects.get(ad_account=account, name=f"{group.slug} {name}")
        row = _sync(audience, action, label=canvas.name)
        parent = Step.objects.create(canvas=canvas, kind="audience_sync", parent=parent, sync=row)
        parent.syncs.add(row)


def add_profiles(*, group: str, actor: int, first: int, n: int) -> int:
    """Make profiles; one in ten has no identifier, one in ten no consent."""
    app_group = AppGroup.objects.get(slug=group)
    profiles = [
        Profile(
            app_group=app_group,
            external_id=name,
            email_sha256=None if at % 10 == 0 else hash_of(name),
            ads_consent=False if at % 10 == 1 else None,
        )
        for at, name in enumerate(_external_ids(group, actor, first, n))
    ]
    Profile.objects.bulk_create(profiles, ignore_conflicts=True)
    return n


def _external_ids(group: str, actor: int, first: int, n: int) -> list[str]:
    return [f"{group}-{actor}-{number}" for number in range(first, first + n)]


def enter(*, sync_id: int, group: str, actor: int, first: int, n: int, act: int) -> int:
    """Enter some profiles into a Sync. A repeated act has the same entry keys, so none is added."""
    row = Sync.objects.select_related("audience__ad_account__connection").get(pk=sync_id)
    crowd: QuerySet[Profile] = Profile.objects.filter(
        app_group__slug=group, external_id__in=_external_ids(group, actor, first, n)
    )
    keyed = crowd.annotate(key=F("pk") + act * KEY_SPAN, profile_id=F("pk"))
    with transaction.atomic():
        return sync.enqueue(row, keyed.values_list("key", "profile_id"), now=timezone.now())


def launch(*, canvas_id: int) -> bool:
    """Launch a canvas, or launch it again to admit the profiles that were added since."""
    canvas = Canvas.objects.get(pk=canvas_id)
    return engine.launch(canvas, by=_admin(canvas.app_group.slug), now=timezone.now())


def stop(*, canvas_id: int) -> bool:
    """Stop a canvas: its adds wait, but its removals are still sent."""
    canvas = Canvas.objects.get(pk=canvas_id)
    return engine.stop(canvas, by=_admin(canvas.app_group.slug), now=timezone.now())


def retry(*, sync_id: int) -> int:
    """Retry the errored people of a Sync."""
    return sync.retry_errored(Sync.objects.get(pk=sync_id), now=timezone.now())


def disconnect(*, group: str, discard: bool) -> int:
    """Disconnect a group; its pending people are discarded, or stay pending."""
    connection = Connection.objects.get(app_group__slug=group)
    if not connection.is_connected:
        return 0
    return connecting.disconnect(
        connection, discard=discard, by=_admin(group), now=timezone.now()
    ).n_discarded


def connect(*, group: str) -> str:
    """Connect a group through OAuth, with the same ad accounts each time."""
    partner, admin, session = registry.get("tiktok"), _admin(group), SessionBase()
    app_group = AppGroup.objects.get(slug=group)
    url = oauth.begin(app_group, partner, by=admin, session=session, now=timezone.now())
    state = parse_qs(urlsplit(url).query)["state"][0]
    code = SandboxClient(settings.TIKTOK_API_URL).auth_code()
    query = QueryDict(urlencode({"state": state, "auth_code": code}))
    row = oauth.receive(query, partner, user=admin, session=session, now=timezone.now())
    account_ids = sorted(account.id for account in oauth.Offer.of(row).ad_accounts)[:N_ACCOUNTS]
    connecting.choose(row, account_ids, now=timezone.now())
    return group


def create(*, group: str, account: str, name: str) -> str:
    """Create an audience unless one of this name exists; return its remote id."""
    row = AdAccount.objects.select_related("connection").get(
        connection__app_group__slug=group, remote_id=account
    )
    try:
        return creation.create(row, name, by=_admin(group), now=timezone.now()).remote_id
    except creation.AudienceNameError:  # an earlier act has created it
        return Audience.objects.exclude(remote_id="").get(ad_account=row, name=name).remote_id


def _admin(group: str) -> User:
    return User.objects.get(email=f"{group}@example.org")


ACTS: dict[str, Callable[..., Any]] = {
    "add_profiles": add_profiles,
    "enter": enter,
    "launch": launch,
    "stop": stop,
    "retry": retry,
    "disconnect": disconnect,
    "connect": connect,
    "create": create,
}
