"""The members who are notified of an incident, by their role in it and by their own choice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from audiencesync.groups.models import AppGroup, Membership, Role
from partners.health import titles
from partners.incidents import present
from partners.models import Connection, Incident, NoticeChoice, Sync

logger = logging.getLogger(__name__)
Choice = NoticeChoice.Choice
AuthorsOf = Callable[[Iterable[int]], dict[int, int]]
_authors: list[AuthorsOf] = []


def provide(authors: AuthorsOf) -> None:
    """Set the function that returns Sync id -> the user who made the canvas of its step."""
    _authors[:] = [authors]


@dataclass(frozen=True, slots=True)
class Notified:
    """Who is notified of a connection. ``unheard``: live steps whose trouble reaches no member."""

    connection: Connection
    members: list[Membership]
    unheard: list[Sync]


def of_incident(incident: Incident) -> list[Membership]:
    """Return whom to notify: the authors of step trouble, else those who can cure a connection.

    With the members who chose to be notified of all, and without those who chose none.
    """
    connection = titles.connection_of(titles.place_of(incident))
    members = list(_active(connection))
    first = _authors_among(members, incident) or _of_connection(members, connection)
    field = "connections" if _is_of_connection(incident) else "steps"
    return [one for one in members if _is_notified(one, field, concerned=one in first)]


def of_group(app_group: AppGroup) -> list[Notified]:
    """Return for each connection who would be notified of what; two queries, one more for each."""
    return [_notified(one) for one in app_group.connections.order_by("partner")]


def _notified(connection: Connection) -> Notified:
    members = list(_active(connection))
    concerned = _of_connection(members, connection)
    syncs = present.needed().filter(is_live=True, audience__ad_account__connection=connection)
    live = list(syncs.order_by("label", "pk"))
    authors = _authors[0](one.pk for one in live) if _authors else {}
    by_user = {one.user_id: one for one in members if one.may(Role.MARKETER)}
    everything = [one for one in members if _choice(one, "steps") == Choice.ALL]

    def is_heard(sync: Sync) -> bool:
        author = by_user.get(authors.get(sync.pk, 0))
        first = [author] if author else concerned
        return bool(everything) or any(_choice(one, "steps") != Choice.NONE for one in first)

    return Notified(
        connection,
        [one for one in members if _is_notified(one, "connections", concerned=one in concerned)],
        [sync for sync in live if not is_heard(sync)],
    )


def of_connection(connection: Connection) -> list[Membership]:
    """Return the user who connected, if an active member of the group, and its active admins."""
    return _of_connection(list(_active(connection)), connection)


def admins_of(connection: Connection) -> list[Membership]:
    """Return the active admins of the group."""
    return list(_active(connection).filter(role=Role.ADMIN))


def log_if_none(recipients: list[Membership], place: object) -> None:
    if not recipients:
        logger.error("The mail about %s has no recipient.", place)


def _active(connection: Connection) -> QuerySet[Membership]:
    members = Membership.objects.filter(app_group=connection.app_group_id, user__is_active=True)
    return members.select_related("user", "notice_choice").order_by("pk")


def _of_connection(members: list[Membership], connection: Connection) -> list[Membership]:
    by = connection.connected_by_id
    return [one for one in members if one.user_id == by or one.role == Role.ADMIN]


def _is_of_connection(incident: Incident) -> bool:
    return incident.connection_id is not None or incident.ad_account_id is not None


def _authors_among(members: list[Membership], incident: Incident) -> list[Membership]:
    """Return the authors of the canvases concerned who may still edit them."""
    if _is_of_connection(incident) or not _authors:
        return []
    if incident.sync_id is not None:
        syncs = Sync.objects.filter(pk=incident.sync_id)
    else:
        syncs = present.needed().filter(audience=incident.audience_id)
    authors = set(_authors[0](syncs.values_list("pk", flat=True)).values())
    return [one for one in members if one.user_id in authors and one.may(Role.MARKETER)]


def _is_notified(member: Membership, field: str, *, concerned: bool) -> bool:
    wanted = _choice(member, field)
    return wanted == Choice.ALL or (wanted == Choice.MINE and concerned)


def _choice(member: Membership, field: str) -> str:
    choice = getattr(member, "notice_choice", None)
    return str(getattr(choice, field)) if choice else Choice.MINE
