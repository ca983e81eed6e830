"""Incidents in words: the open ones of a group, worst first, and those that are over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import prefetch_related_objects
from django.utils.timesince import timesince

from audiencesync.core import chunks
from audiencesync.groups.models import AppGroup
from partners import risks
from partners.connections import problems
from partners.connections.problems import AUDIENCE_FIELD, Problem, Severity
from partners.health import titles, warnings
from partners.incidents import codes, present
from partners.models import AdAccount, Audience, Connection, Incident, Sync
from partners.models.batch_queries import SEALED
from partners.risks import Risk

RELATED = (
    "connection",
    "ad_account__connection",
    "audience__ad_account__connection",
    "sync__audience__ad_account__connection",
)
MAX_STEPS = 3
PER_PAGE = 25
LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """A step that an incident concerns: its label and page."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Line:
    """An open incident in words. ``steps``: up to MAX_STEPS that it concerns, live ones first."""

    incident: Incident
    problem: Problem
    risk: Risk
    steps: list[Step]

    @property
    def title(self) -> str:
        return titles.title(self.incident)

    @property
    def button(self) -> str:
        """Return the label of the link to ``problem.url``, where the problem can be solved."""
        return titles.button(self.incident)

    @property
    def help_key(self) -> str:
        """Return the anchor of the incident on the help page."""
        return titles.help_key(self.incident.code)

    @property
    def notified_names(self) -> list[str]:
        """Return the names of the members who were notified."""
        return _notified_names(self.incident)

    @property
    def is_danger(self) -> bool:
        """Return whether nothing is sent until a user acts."""
        return self.problem.severity is Severity.DANGER

    @property
    def is_for_admins(self) -> bool:
        """Return whether only an admin can solve it."""
        return self.is_danger and self.incident.audience_id is None

    @property
    def is_only_a_warning(self) -> bool:
        """Return whether people are sent in spite of it."""
        return self.incident.code in codes.HOLD_NO_BATCHES

    @property
    def deadline_text(self) -> str:
        """Return by when to act, in the time zone of the group; empty if no people wait."""
        return self.risk.deadline_text(self.incident.app_group)


@dataclass(frozen=True, slots=True)
class Over:
    """An incident that is over, in words."""

    title: str
    begun_at: datetime
    ended_at: datetime
    most_people: int
    notified_names: list[str]

    @property
    def duration_text(self) -> str:
        """Return how long it lasted, such as: 2 hours, 5 minutes."""
        return timesince(self.begun_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class History:
    """A page of ended incidents, newest first. ``older``, ``newer``: keys of pages, or empty."""

    incidents: list[Over]
    older: str
    newer: str


def of_group(app_group: AppGroup) -> list[Line]:
    """Return the open incidents of a group, worst first. Five queries."""
    rows = _open_rows(app_group)
    prefetch_related_objects(rows, "notices__user")
    return sorted(_lines(rows), key=_rank)


def of_incident(incident: Incident) -> Line | None:
    """Return an open incident in words; None if the trouble is over."""
    return next(iter(_lines([incident])), None)


def _lines(rows: list[Incident]) -> list[Line]:
    risk_of, steps = risks.of_incidents(rows), _steps(rows)
    lines = [_line(row, risk_of[row.pk], steps.get(row.audience_id or 0, [])) for row in rows]
    return [line for line in lines if line]


def banner(app_group: AppGroup) -> list[Problem]:
    """Return the problems of connections, for the banner. One query, one more if there are any."""
    rows = [row for row in _open_rows(app_group) if row.connection_id is not None]
    risk_of = risks.of_incidents(rows)
    return [problem for row in rows if (problem := _problem(row, risk_of[row.pk]))]


def history(app_group: AppGroup, *, before: int | None, after: int | None) -> History:
    """Return a page of ended incidents: those older than ``before`` or newer than ``after``."""
    incidents = Incident.objects.ended().filter(app_group=app_group).select_related(*RELATED)
    incidents = incidents.prefetch_related("notices__user")
    page = chunks.page(
        incidents,
        PER_PAGE,
        keys=("pk",),
        older_than=(before,) if before else None,
        newer_than=(after,) if after else None,
    )
    keys = [incident.pk for incident in page.rows]
    return History(
        [
            Over(
                titles.title(incident),
                incident.begun_at,
                incident.ended_at,
                incident.most_people,
                _notified_names(incident),
            )
            for incident in page.rows
            if incident.ended_at
        ],
        older=str(keys[-1]) if page.has_older else "",
        newer=str(keys[0]) if keys and page.has_newer else "",
    )


def _open_rows(app_group: AppGroup) -> list[Incident]:
    rows = list(Incident.objects.open().filter(app_group=app_group).select_related(*RELATED))
    for row in rows:
        row.app_group = app_group
        titles.connection_of(titles.place_of(row)).app_group = app_group
    return rows


def _notified_names(incident: Incident) -> list[str]:
    """Return the names of those who were sent a message; ``notices__user`` is prefetched."""
    return sorted({str(notice.user) for notice in incident.notices.all() if notice.sent_at})


def _rank(line: Line) -> tuple[bool, datetime, int, int]:
    """Return the sort key: first those that stop sending, then soonest errored, most people."""
    errored_at = line.risk.errored_at or LATEST
    return not line.is_danger, errored_at, -line.risk.people, line.incident.pk


def _line(row: Incident, risk: Risk, steps: list[Step]) -> Line | None:
    problem = _problem(row, risk)
    if problem is None:  # the trouble is over, but the row has not ended yet
        return None
    if row.audience_id is not None and steps and problem.severity is Severity.DANGER:
        problem = replace(problem, url=steps[0].url + AUDIENCE_FIELD)
    return Line(row, problem, risk, steps[:MAX_STEPS])


def _problem(row: Incident, risk: Risk) -> Problem | None:
    if row.code in warnings.OF_CODE:
        return warnings.OF_CODE[row.code](row, risk)
    match titles.place_of(row):
        case Connection() as connection:
            lacks_key = row.code == SEALED
            return problems.of_connection(connection, risk=risk, lacks_key=lacks_key)
        case AdAccount() as ad_account:
            return problems.of_ad_account(ad_account, risk=risk)
        case Audience() as audience:
            return problems.of_audience(audience, risk=risk)
        case Sync():  # only thresholds are troubles of a step
            return None


def _steps(rows: Iterable[Incident]) -> dict[int, list[Step]]:
    """Return audience id -> the steps that send to it."""
    audience_ids = {row.audience_id for row in rows if row.audience_id is not None}
    if not audience_ids:
        return {}
    syncs = present.relevant_syncs().filter(audience__in=audience_ids).exclude(url="")
    steps_of: dict[int, list[Step]] = {}
    for sync in syncs.order_by("-is_live", "pk").only("audience_id", "label", "url"):
        steps_of.setdefault(sync.audience_id, []).append(Step(sync.label, sync.url))
    return steps_of
