"""Find the members to notify of an incident: by role, by the steps they made, by their choice."""

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
_find_authors: list[AuthorsOf] = []  # empty until `provide` is called, then one entry


def provide(authors: AuthorsOf) -> None:
    """Set the function that finds authors. It is in canvases, which may not be imported here.

    It takes ids of Syncs, and returns Sync id -> id of the user who made the canvas of its step.
    """
    _find_authors[:] = [authors]


@dataclass(frozen=True, slots=True)
class Notified:
    """Who would be notified of an incident of a connection.

    ``unreached_steps``: Syncs of live steps whose incidents would reach no member.
    """

    connection: Connection
    members: list[Membership]
    unreached_steps: list[Sync]


def of_incident(incident: Incident) -> list[Membership]:
    """Return whom to notify: the authors of the steps concerned, else those who can solve it.

    Members who chose all incidents are added, and those who chose none are left out.
    """
    connection = titles.connection_of(titles.place_of(incident))
    members = list(_active_members(connection))
    concerned = _authors_of(members, incident) or _concerned_by(members, connection)
    field = "connections" if _concerns_connection(incident) else "steps"
    return _with_choice(members, field, concerned=concerned)


def of_group(app_group: AppGroup) -> list[Notified]:
    """Return who would be notified, by connection. One query, and three for each connection."""
    return [_notified_of(connection) for connection in app_group.connections.order_by("partner")]


def _notified_of(connection: Connection) -> Notified:
    members = list(_active_members(connection))
    concerned = _concerned_by(members, connection)
    syncs = present.relevant_syncs().filter(
        is_live=True, audience__ad_account__connection=connection
    )
    live_syncs = list(syncs.order_by("label", "pk"))
    author_ids = _find_authors[0](sync.pk for sync in live_syncs) if _find_authors else {}
    editors_by_id = {member.user_id: member for member in members if member.may(Role.MARKETER)}
    choose_all = [member for member in members if _choice_of(member, "steps") == Choice.ALL]

    def reaches_member(sync: Sync) -> bool:
        author = editors_by_id.get(author_ids.get(sync.pk, 0))
        concerned_members = [author] if author else concerned
        choices = [_choice_of(member, "steps") for member in concerned_members]
        return bool(choose_all) or any(choice != Choice.NONE for choice in choices)

    return Notified(
        connection,
        _with_choice(members, "connections", concerned=concerned),
        [sync for sync in live_syncs if not reaches_member(sync)],
    )


def of_connection(connection: Connection) -> list[Membership]:
    """Return the active admins of the group, and the user who connected if still active there."""
    return _concerned_by(list(_active_members(connection)), connection)


def admins_of(connection: Connection) -> list[Membership]:
    """Return the active admins of the group."""
    return list(_active_members(connection).filter(role=Role.ADMIN))


def log_if_none(recipients: list[Membership], place: object) -> None:
    if not recipients:
        logger.error("The mail about %s has no recipient.", place)


def _active_members(connection: Connection) -> QuerySet[Membership]:
    members = Membership.objects.filter(app_group=connection.app_group_id, user__is_active=True)
    return members.select_related("user", "notice_choice").order_by("pk")


def _concerned_by(members: list[Membership], connection: Connection) -> list[Membership]:
    connected_by = connection.connected_by_id
    return [
        member for member in members if member.user_id == connected_by or member.role == Role.ADMIN
    ]


def _concerns_connection(incident: Incident) -> bool:
    return incident.connection_id is not None or incident.ad_account_id is not None


def _authors_of(members: list[Membership], incident: Incident) -> list[Membership]:
    """Return the authors of the canvases concerned, if they may still edit them."""
    if _concerns_connection(incident) or not _find_authors:
        return []
    if incident.sync_id is not None:
        syncs = Sync.objects.filter(pk=incident.sync_id)
    else:
        syncs = present.relevant_syncs().filter(audience=incident.audience_id)
    author_ids = set(_find_authors[0](syncs.values_list("pk", flat=True)).values())
    return [
        member for member in members if member.user_id in author_ids and member.may(Role.MARKETER)
    ]


def _with_choice(
    members: list[Membership], field: str, *, concerned: list[Membership]
) -> list[Membership]:
    """Return the members who chose all incidents, and the concerned ones unless they chose none."""
    notified = []
    for member in members:
        choice = _choice_of(member, field)
        if choice == Choice.ALL or (choice == Choice.MINE and member in concerned):
            notified.append(member)
    return notified


def _choice_of(member: Membership, field: str) -> str:
    choice = getattr(member, "notice_choice", None)
    return str(getattr(choice, field)) if choice else Choice.MINE
