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

MAX_ACCOUNTS = 10
"""The most ad accounts that one run checks: those whose audiences were read longest ago."""
MAX_RUNS = 20
MAX_ROWS = MAX_RUNS * (2 + 3 * MAX_ACCOUNTS)
"""The most rows of MAX_RUNS runs: each has two checks, and three for each ad account."""


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
    """All checks of one time. ``lines``: the checks that were not good.

    ``ms_of``: call to the partner (a kind of check, and its ad account) -> how long it took.
    """

    at: datetime
    n: int = 0
    lines: list[Line] = field(default_factory=list)
    ms_of: dict[Key, int] = field(default_factory=dict)

    @property
    def n_good(self) -> int:
        return self.n - len(self.lines)

    @property
    def seconds(self) -> float:
        """Return how long the partner took for all answers."""
        return sum(self.ms_of.values()) / 1000


def store(connection: Connection, outcomes: Sequence[CheckOutcome], *, now: datetime) -> None:
    """Store the outcomes of one run, each with since when its result has been the same."""
    newest_answers = newest(recent(connection))
    rows = []
    for outcome in outcomes:
        key = (outcome.kind, outcome.ad_account.pk if outcome.ad_account else None)
        previous = newest_answers.get(key)
        is_same = previous is not None and previous.result == outcome.result
        row = CheckAnswer(
            connection=connection,
            ad_account=outcome.ad_account,
            kind=outcome.kind,
            result=outcome.result,
            code=outcome.code,
            answer=outcome.answer,
            ms=outcome.ms,
            at=now,
            since=previous.since if previous is not None and is_same else now,
        )
        rows.append(row)
    CheckAnswer.objects.bulk_create(rows)


def recent(connection: Connection) -> list[CheckAnswer]:
    """Return the answers of the last runs, newest first; one query."""
    stored = CheckAnswer.objects.filter(connection=connection).select_related("ad_account")
    rows = list(stored.order_by("-pk")[:MAX_ROWS])
    for row in rows:
        row.connection = connection
    return rows


def newest(rows: Sequence[CheckAnswer]) -> dict[Key, CheckAnswer]:
    """Return the last answer of each check; ``rows`` are in the order of `recent`."""
    newest_by_check: dict[Key, CheckAnswer] = {}
    for row in rows:
        newest_by_check.setdefault((row.kind, row.ad_account_id), row)
    return newest_by_check


def runs(rows: Sequence[CheckAnswer]) -> list[Run]:
    """Return the last runs, newest first."""
    runs_by_time: dict[datetime, Run] = {}
    for row in rows:
        run = runs_by_time.setdefault(row.at, Run(row.at))
        run.n += 1
        # The run made no call for the allow-list: it took the answer to an earlier request.
        if row.kind != Kind.ALLOW_LIST:
            # One call answered the checks of all ad accounts.
            account_id = None if row.kind == Kind.AD_ACCOUNT else row.ad_account_id
            run.ms_of[row.kind, account_id] = row.ms
        if row.result != Result.GOOD:
            line = Line(answers.name_of(row), answers.text_of(row), is_bad=row.result == Result.BAD)
            run.lines.append(line)
    return list(runs_by_time.values())[:MAX_RUNS]
