"""Run one rehearsal: prepare, start, play the story, read the numbers, verify, clean up."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.stack import stack
from lab.stack.sandbox import SandboxClient
from lab.stack.stack import Stack
from lab.story import census, verify
from lab.story.story import GROUP, NEW_AUDIENCE, OLD_AUDIENCE, Marketer
from lab.story.verify import Findings

# After the launch the numbers must come to rest within the sum of both.
REST_SECONDS = 60.0
REST_SECONDS_PER_PERSON = 1 / 2_000
LOG_LIMIT = 100_000
PER_SECOND = {  # preset -> the number in the sandbox's log that its rate limit applies to
    "published_by_braze": "most_in_one_second",
    "published_by_tiktok": "most_mappings_in_one_second",
}


@dataclass
class Report:
    """The result of a rehearsal."""

    people: int
    database: str
    preset: str
    metrics: dict[str, dict[str, int]] = field(default_factory=dict)
    sandbox: dict[str, int] = field(default_factory=dict)
    # the identifiers of the new audience compared with those of the people sent
    identifiers: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Return whether every number is right."""
        return not self.broken

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {"ok": self.ok, **vars(self)}


@dataclass
class Rehearsal:
    """One run; ``say`` is called with each line of progress."""

    people: int
    preset: str
    database_url: str
    keep: bool
    say: Callable[[str], None]
    stack: Stack = field(init=False)
    report: Report = field(init=False)

    def __post_init__(self) -> None:
        database = "postgresql" if self.database_url else "sqlite"
        self.report = Report(self.people, database, self.preset)

    @property
    def sandbox(self) -> SandboxClient:
        """The sandbox of the stack."""
        return SandboxClient(self.stack.sandbox_url)

    def run(self) -> Report:
        """Play and verify. Raise StackError, NotOnPage or a requests error if it cannot go on."""
        started, seconds = time.monotonic(), self.report.seconds
        with self.folder() as var:
            prepare = "Preparing database and demo"
            seconds["prepare"] = self.timed(prepare, lambda: self.prepare(var))
            try:
                start = "Starting web, sandbox and engine"
                seconds["start"] = self.timed(start, self.stack.start)
                self.play()
            finally:
                self.stack.stop()
        seconds["total"] = round(time.monotonic() - started, 2)
        return self.report

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Make a temporary folder, removed at the end unless ``keep`` is set."""
        var = Path(tempfile.mkdtemp(prefix="audiencesync-rehearsal-"))
        try:
            yield var
        finally:
            if self.keep:
                self.say(f"Kept: {var}")
            else:
                shutil.rmtree(var, ignore_errors=True)

    def timed(self, what: str, task: Callable[[], object]) -> float:
        """Announce and do a task; return the seconds it took."""
        self.say(f"{what} ...")
        started = time.monotonic()
        task()
        return round(time.monotonic() - started, 2)

    def prepare(self, var: Path) -> None:
        """Make tables and people."""
        env = {"TIKTOK_PRESET": self.preset}
        if self.database_url:
            env["DATABASE_URL"] = self.database_url
        self.stack = Stack(var, extra_env=env, sandbox_options=("--preset", self.preset))
        self.stack.demo_output = stack.prepare(var, env=self.stack.env, people=self.people)

    def play(self) -> None:
        """Play the story and verify its numbers."""
        marketer, seconds = Marketer(self.stack.url), self.report.seconds
        tasks: dict[str, Callable[[], object]] = {
            "sign in": lambda: marketer.sign_in(self.stack.demo_output),
            "connect": marketer.connect,
            "segment": marketer.make_segment,
            "build": marketer.build,
        }
        for name, task in tasks.items():
            seconds[name] = self.timed(name.capitalize(), task)
        before = self.members()
        launched = time.monotonic()
        seconds["launch"] = self.timed("Launch", marketer.launch)
        max_seconds = REST_SECONDS + self.people * REST_SECONDS_PER_PERSON
        self.timed("Watch the numbers", lambda: marketer.watch(seconds=max_seconds))
        seconds["launch to rest"] = round(time.monotonic() - launched, 2)
        seconds["read"] = self.timed("Read all numbers", marketer.read)
        self.judge(self.findings(marketer, before))

    def judge(self, findings: Findings) -> None:
        """Write the findings and the wrong numbers among them into the report."""
        report = self.report
        report.metrics, report.sandbox = findings.cards, findings.after
        report.identifiers = {
            "missing": findings.n_missing,
            "too many": findings.n_extra,
            "shared by several people": findings.n_shared,
        }
        report.requests = {
            "mappings": len(findings.requests),
            "most_people": max((line["people"] for line in findings.requests), default=0),
            "most_in_one_second": findings.most_in_one_second,
        }
        report.broken = verify.broken(findings)

    def findings(self, marketer: Marketer, before: dict[str, int]) -> Findings:
        """Collect the numbers of the pages, of the database and of the sandbox."""
        readings, log = marketer.readings, self.sandbox.requests(limit=LOG_LIMIT)
        counted = census.count(self.stack.env["DATABASE_URL"], GROUP)
        members = self.member_ids()
        mappings = [line for line in log["requests"] if line["endpoint"] == "segment/mapping"]
        return Findings(
            people=self.people,
            n_enter=readings.n_enter,
            is_at_rest=readings.is_at_rest,
            cards=readings.cards,
            table=readings.table,
            can_add=counted.can_add,
            can_remove=counted.can_remove,
            n_shared=counted.n_shared,
            n_missing=len(counted.identifiers - members),
            n_extra=len(members - counted.identifiers),
            preset=self.preset,
            counters=self.counters(),
            before=before,
            after=self.members(),
            requests=mappings[::-1],
            most_in_one_second=log[PER_SECOND[self.preset]],
        )

    def members(self) -> dict[str, int]:
        """Return the number of people in the two audiences of the story, by name."""
        listed = self.sandbox.audiences()
        # Several ad accounts have an audience with the old name: take the one in the ad account of
        # the new audience.
        accounts = {row["advertiser_id"] for row in listed if row["name"] == NEW_AUDIENCE}
        names = (NEW_AUDIENCE, OLD_AUDIENCE)
        return {
            row["name"]: row["people"]
            for row in listed
            if row["advertiser_id"] in accounts and row["name"] in names
        }

    def member_ids(self) -> set[tuple[str, str]]:
        """Return (schema, hash) of all members of the new audience."""
        listed = self.sandbox.audiences()
        audience = next(row for row in listed if row["name"] == NEW_AUDIENCE)
        return self.sandbox.members(audience["audience_id"])

    def counters(self) -> list[str]:
        """Return the violations that `check_counters --json` finds."""
        command = [sys.executable, "manage.py", "check_counters", "--json"]
        process = subprocess.run(
            command, cwd=stack.ROOT, env=self.stack.env, capture_output=True, text=True, check=False
        )
        try:
            return list(json.loads(process.stdout)["broken"])
        except (ValueError, KeyError):
            return [f"it could not be read: {process.stderr[-1000:]}"]
