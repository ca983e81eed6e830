"""Store the results of health checks, and read the last runs for the page Health."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from partners.health import answers
from partners.models import AdAccount, CheckAnswer, Connection

Kind: TypeAlias = CheckAnswer.Kind
Result: TypeAlias = CheckAnswer.Result
Key: TypeAlias = tuple[str, int | None]
"""Kind of a check, and the id of its ad account."""

MOST_ACCOUNTS = 10
"""Ad accounts of one run: those whose audiences were read longest ago."""
RUNS = 20
RECENT = RUNS * (2 + 3 * MOST_ACCOUNTS)
"""The most rows of so many runs."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """What one check found."""

    kind: Kind
    result: Result
    code: str = ""
    answer: str = ""
    ms: int = 0
    ad_account: AdAccount | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A check of a run that was not good, in words."""

    name: str
    text: str
    is_bad: bool


@dataclass(slots=True)
class Run:
    """All checks of one time. ``lines``: those that were not good."""

    at: datetime
    ms: int = 0
    n: int = 0
    lines: list[Line] = field(default_factory=list)

    @property
    def n_good(self) -> int:
        return self.n - len(self.lines)

    @property
    def seconds(self) -> float:
        """Return how long the partner took for all answers."""
        return self.ms / 1000


def store(connection: Connection, found: Sequence[CheckOutcome], *, now: datetime) -> None:
    """Store the outcomes of one run, each with the time since which it has been the same."""
    before = newest(recent(connection))
    rows = []
    for one in found:
        former = before.get((one.kind, one.ad_account.pk if one.ad_account else None))
        is_same = former is not None and former.result == one.result
        row = CheckAnswer(
            connection=connection,
            ad_account=one.ad_account,
            kind=one.kind,
            result=one.result,
            code=one.code,
            answer=one.answer,
            ms=one.ms,
            at=now,
            since=former.since if former is not None and is_same else now,
        )
        rows.append(row)
    CheckAnswer.objects.bulk_create(rows)


def recent(connection: Connection) -> list[CheckAnswer]:
    """Return the answers of the last runs, newest first; one query."""
    rows = CheckAnswer.objects.filter(connection=connection).select_related("ad_account")
    found = list(rows.order_by("-pk")[:RECENT])
    for row in found:
        row.connection = connection
    return found


def newest(rows: Sequence[CheckAnswer]) -> dict[Key, CheckAnswer]:
    """Return the last answer of each check; ``rows`` are in the order of `recent`."""
    found: dict[Key, CheckAnswer] = {}
    for row in rows:
        found.setdefault((row.kind, row.ad_account_id), row)
    return found


def runs(rows: Sequence[CheckAnswer]) -> list[Run]:
    """Return the last runs, newest first."""
    found: dict[datetime, Run] = {}
    for row in rows:
        run = found.setdefault(row.at, Run(row.at))
        run.n += 1
        # The partner answered about the allow-list earlier, to requests with people.
        run.ms += 0 if row.kind == Kind.ALLOW_LIST else row.ms
        if row.result != Result.GOOD:
            line = Line(answers.name_of(row), answers.text_of(row), is_bad=row.result == Result.BAD)
            run.lines.append(line)
    return list(found.values())[:RUNS]
