"""Compare the numbers on the pages, at the sandbox and in the database; report each difference.

L5 and L7 are numbers of laws in docs/reliability.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lab.story.story import METRICS, NEW_AUDIENCE, OLD_AUDIENCE


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The most that one request may hold, and the most requests per second; None: no limit."""

    people: int | None
    ids: int | None
    per_second: int


LIMITS = {
    "published_by_braze": RequestLimits(10_000, None, 50),
    "published_by_tiktok": RequestLimits(None, 1_000, 5_000),
}


@dataclass
class Findings:
    """Everything that one rehearsal has read."""

    people: int  # who should enter: the option --people
    n_enter: int  # announced by the checklist
    is_at_rest: bool
    cards: dict[str, dict[str, int]]  # summary of a step -> its metrics, in the order of the flow
    table: dict[str, dict[str, int]]  # the same metrics from the staff's analytics
    can_add: int  # people who can be added by any identifier, counted one by one
    can_remove: int
    preset: str
    n_shared: int = 0  # identifiers that more than one person has
    n_missing: int = 0  # identifiers that the new audience should hold and does not
    n_extra: int = 0  # identifiers that the new audience holds and should not
    counters: list[str] = field(default_factory=list)  # broken laws found by check_counters
    before: dict[str, int] = field(default_factory=dict)  # audience -> members before the launch
    after: dict[str, int] = field(default_factory=dict)
    # the mapping requests in the sandbox's log, oldest first
    requests: list[dict[str, Any]] = field(default_factory=list)
    most_in_one_second: int = 0


def broken(findings: Findings) -> list[str]:
    """Return one sentence for each wrong number."""
    return [
        *_check_rest(findings),
        *(f"check_counters: {sentence}" for sentence in findings.counters),
        *_check_metrics(findings),
        *_check_sandbox(findings),
        *_check_requests(findings),
    ]


def expected(findings: Findings) -> list[dict[str, int]]:
    """Return the right metrics of the three steps: delay, add, remove."""
    zero, n = dict.fromkeys(METRICS, 0), findings.people
    add, remove = findings.can_add, findings.can_remove
    return [
        zero | {"entered": n, "proceeded": n},
        zero | {"entered": n, "proceeded": n, "synced": add, "not_synced": n - add},
        zero | {"entered": n, "exited": n, "synced": remove, "not_synced": n - remove},
    ]


def _check_rest(findings: Findings) -> Iterator[str]:
    if not findings.is_at_rest:
        yield "The numbers did not come to rest in time."
    if findings.n_enter != findings.people:
        yield f"The checklist announced {findings.n_enter} people, there are {findings.people}."


def _check_metrics(findings: Findings) -> Iterator[str]:
    if len(findings.cards) != 3:
        yield f"The canvas shows {len(findings.cards)} steps instead of 3."
    for (step, card), expected_counts in zip(
        findings.cards.items(), expected(findings), strict=False
    ):
        for metric, n in expected_counts.items():
            if card.get(metric) != n:
                yield f"{step}: {metric} is {card.get(metric)} on the card, should be {n}."
        if findings.table.get(step) != card:
            yield f"{step}: the card says {card}, the analytics say {findings.table.get(step)}."


def _check_sandbox(findings: Findings) -> Iterator[str]:
    """L5: the sandbox has accepted the people that we count as synced."""
    synced = [card.get("synced", 0) for card in findings.cards.values()]
    if len(synced) != 3:
        return
    if findings.n_missing or findings.n_extra:
        yield (
            f"L5 {NEW_AUDIENCE}: {findings.n_missing} identifiers are missing at the sandbox, "
            f"{findings.n_extra} too many."
        )
    members = findings.after.get(NEW_AUDIENCE, 0)
    if members > synced[1] or (members < synced[1] and not findings.n_shared):
        yield f"L5 {NEW_AUDIENCE}: the sandbox holds {members} people, we synced {synced[1]}."
    if findings.after.get(OLD_AUDIENCE) != findings.before.get(OLD_AUDIENCE):
        yield (
            f"L5 {OLD_AUDIENCE}: it had {findings.before.get(OLD_AUDIENCE)} members, none of them "
            f"ours, and has {findings.after.get(OLD_AUDIENCE)} now."
        )
    for action, n in (("add", synced[1]), ("delete", synced[2])):
        accepted = sum(
            line["people"]
            for line in findings.requests
            if line["action"] == action and line["code"] == 0
        )
        if accepted != n:
            yield f"L5: the sandbox accepted {accepted} people to {action}, we count {n}."


def _check_requests(findings: Findings) -> Iterator[str]:
    limits = LIMITS[findings.preset]
    for number, line in enumerate(findings.requests):
        if line["code"] != 0:
            yield f"Request {number} was answered with {line['code']}; each must succeed."
        if limits.people is not None and line["people"] > limits.people:
            yield f"Request {number} carried {line['people']} people, {limits.people} are allowed."
        if limits.ids is not None and line["ids"] > limits.ids:
            yield f"Request {number} carried {line['ids']} ids, {limits.ids} are allowed."
        if (n := len(line["advertisers"])) != 1:
            yield f"L7: request {number} named {n} ad accounts instead of one."
    if findings.most_in_one_second > limits.per_second:
        yield (
            f"{findings.most_in_one_second} requests fell into one second, "
            f"{limits.per_second} are allowed."
        )
