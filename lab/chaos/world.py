"""The world of a chaos run, in a process beside the stack: two groups on one ad account, and all that people do there.

Every deed may be done twice, or again after its process was killed in the middle: that is how callers behave.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.db.models import F
from django.http import QueryDict
from django.utils import timezone

from audiencesync.groups.models import AppGroup, Membership, Role, User
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, Segment
from canvases import engine
from canvases.models import Canvas, Step
from lab.story.browser import Browser
from partners import registry, sync
from partners.audiences import creation
from partners.connections import connect as connecting
from partners.connections import oauth
from partners.errors import PartnerError
from partners.models import AdAccount, Audience, Connection, Sync

GROUPS = ("north", "south")
AUDIENCES = ("winback", "loyal")
ACCOUNTS = 2  # of those that the sandbox's user reaches: the same for both groups
KEY_SPAN = 10_000_000  # entry keys of one deed lie in a span of their own
REFUSALS = (PartnerError, oauth.NotAuthorized)  # what a caller may be told during a storm


def hash_of(person: str) -> bytes:
    """Of the e-mail address of somebody with this external id."""
    return normalise.digest(f"{person}@example.com")


def found() -> dict[str, Any]:
    """The first rows."""
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
    """Everybody is added to one audience, then removed from the other."""
    group = account.connection.app_group
    everybody, _ = Segment.objects.get_or_create(app_group=group, name="Everybody")
    canvas = Canvas.objects.create(
        app_group=group, name=f"Journey {account.remote_id}", segment=everybody
    )
    parent = None
    for name, action in zip(AUDIENCES, ("add", "remove"), strict=True):
        asked = _sync(
            Audience.objects.get(ad_account=account, name=f"{group.slug} {name}"),
            action,
            label=canvas.name,
        )
        parent = Step.objects.create(canvas=canvas, kind="audience_sync", parent=parent, sync=asked)
        parent.syncs.add(asked)


def newcomers(*, group: str, actor: int, first: int, n: int) -> int:
    """New profiles; one in ten cannot be sent, one in ten must not be added."""
    home = AppGroup.objects.get(slug=group)
    names = [f"{group}-{actor}-{number}" for number in range(first, first + n)]
    people = [
        Profile(
            app_group=home,
            external_id=name,
            email_sha256=None if at % 10 == 0 else hash_of(name),
            ads_consent=False if at % 10 == 1 else None,
        )
        for at, name in enumerate(names)
    ]
    Profile.objects.bulk_create(people, ignore_conflicts=True)
    return n


def enter(*, sync_id: int, group: str, actor: int, first: int, n: int, deed: int) -> int:
    """A crowd enters a Sync; the entry key is the deed and the person."""
    asked = Sync.objects.select_related("audience__ad_account__connection").get(pk=sync_id)
    names = [f"{group}-{actor}-{number}" for number in range(first, first + n)]
    crowd = Profile.objects.filter(app_group__slug=group, external_id__in=names)
    crowd = crowd.annotate(key=F("pk") + deed * KEY_SPAN, profile_id=F("pk"))
    with transaction.atomic():
        return sync.enqueue(asked, crowd.values_list("key", "profile_id"), now=timezone.now())


def launch(*, canvas_id: int) -> bool:
    """Again for who has come since."""
    canvas = Canvas.objects.get(pk=canvas_id)
    return engine.launch(canvas, by=_admin(canvas.app_group.slug), now=timezone.now())


def stop(*, canvas_id: int) -> bool:
    """Adds wait from now on, removals flow."""
    canvas = Canvas.objects.get(pk=canvas_id)
    return engine.stop(canvas, by=_admin(canvas.app_group.slug), now=timezone.now())


def retry(*, sync_id: int) -> int:
    """Another chance for who errored."""
    return sync.retry_errored(Sync.objects.get(pk=sync_id), now=timezone.now())


def disconnect(*, group: str, discard: bool) -> int:
    """The token goes; who waits is discarded, or waits on."""
    connection = Connection.objects.get(app_group__slug=group)
    if not connection.is_connected:
        return 0
    return connecting.disconnect(
        connection, discard=discard, by=_admin(group), now=timezone.now()
    ).n_discarded


def connect(*, group: str) -> str:
    """Through the partner's consent page, back with a code, and the same ad accounts are chosen."""
    partner, admin, session = registry.get("tiktok"), _admin(group), SessionBase()
    home = AppGroup.objects.get(slug=group)
    url = oauth.begin(home, partner, by=admin, session=session, now=timezone.now())
    state = parse_qs(urlsplit(url).query)["state"][0]
    query = QueryDict(urlencode({"state": state, "auth_code": _auth_code()}))
    row = oauth.receive(query, partner, user=admin, session=session, now=timezone.now())
    chosen = sorted(one.id for one in oauth.Offer.of(row).ad_accounts)[:ACCOUNTS]
    connecting.choose(row, chosen, now=timezone.now())
    return group


def create(*, group: str, account: str, name: str) -> str:
    """An audience of this name, once, however often it is asked."""
    row = AdAccount.objects.select_related("connection").get(
        connection__app_group__slug=group, remote_id=account
    )
    try:
        return creation.create(row, name, by=_admin(group), now=timezone.now()).remote_id
    except creation.AudienceNameError:  # it was made, and that is a while ago
        return Audience.objects.exclude(remote_id="").get(ad_account=row, name=name).remote_id


def _admin(group: str) -> User:
    return User.objects.get(email=f"{group}@example.org")


def _auth_code() -> str:
    """What the consent page sends back; our own address is not needed for it."""
    wish = {
        "app_id": settings.TIKTOK_APP_ID,
        "state": "chaos",
        "redirect_uri": f"{settings.TIKTOK_API_URL}/",
    }
    back = Browser().go(f"{settings.TIKTOK_AUTH_URL}?{urlencode(wish)}").press("Confirm")
    return parse_qs(urlsplit(back.url).query)["auth_code"][0]


DEEDS: dict[str, Callable[..., Any]] = {
    "newcomers": newcomers,
    "enter": enter,
    "launch": launch,
    "stop": stop,
    "retry": retry,
    "disconnect": disconnect,
    "connect": connect,
    "create": create,
}
