"""One rehearsal from an empty folder to the verdict: prepare, start, let the marketer act, read, judge, clear away."""

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

import requests

from lab.stack import stack
from lab.stack.stack import Stack
from lab.story import census, verify
from lab.story.story import GROUP, NEW_AUDIENCE, OLD_AUDIENCE, Marketer
from lab.story.verify import Findings

REST_SECONDS = 60.0
REST_SECONDS_PER_PERSON = 1 / 2_000
KEEP_LOG = 100_000


@dataclass
class Report:
    """What a rehearsal tells."""

    people: int
    database: str
    preset: str
    metrics: dict[str, dict[str, int]] = field(default_factory=dict)
    sandbox: dict[str, int] = field(default_factory=dict)
    identifiers: dict[str, int] = field(
        default_factory=dict
    )  # of the new audience, held against who was sent
    requests: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether everything is exact."""
        return not self.broken

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"ok": self.ok, **vars(self)}


@dataclass
class Rehearsal:
    """One run; ``say`` hears what is going on."""

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

    def run(self) -> Report:
        """All of it. Raises StackError, NotOnPage or requests' errors where the story cannot go on."""
        started, report = time.monotonic(), self.report
        with self.folder() as var:
            report.seconds["prepare"] = self.timed(
                "Preparing database and demo", lambda: self.prepare(var)
            )
            try:
                report.seconds["start"] = self.timed(
                    "Starting web, sandbox and engine", self.stack.start
                )
                self.play()
            finally:
                self.stack.stop()
        report.seconds["total"] = round(time.monotonic() - started, 2)
        return report

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A temporary folder with all data, removed afterwards unless it is to be kept."""
        var = Path(tempfile.mkdtemp(prefix="audiencesync-rehearsal-"))
        try:
            yield var
        finally:
            if self.keep:
                self.say(f"Kept: {var}")
            else:
                shutil.rmtree(var, ignore_errors=True)

    def timed(self, what: str, act: Callable[[], object]) -> float:
        """Say it, do it; the seconds it took."""
        self.say(f"{what} ...")
        started = time.monotonic()
        act()
        return round(time.monotonic() - started, 2)

    def prepare(self, var: Path) -> None:
        """Tables and people."""
        more = {"TIKTOK_PRESET": self.preset} | (
            {"DATABASE_URL": self.database_url} if self.database_url else {}
        )
        self.stack = Stack(var, more=more, sandbox_options=("--preset", self.preset))
        self.stack.told = stack.prepared(var, env=self.stack.env, people=self.people)

    def play(self) -> None:
        """The story, and the verdict on it."""
        report, marketer = self.report, Marketer(self.stack.url)
        acts: dict[str, Callable[[], object]] = {
            "sign in": lambda: marketer.sign_in(self.stack.told),
            "connect": marketer.connect,
            "segment": marketer.make_segment,
            "build": marketer.build,
        }
        for name, act in acts.items():
            report.seconds[name] = self.timed(name.capitalize(), act)
        before = self.members()
        watched = time.monotonic()
        report.seconds["launch"] = self.timed("Launch", marketer.launch)
        most = REST_SECONDS + self.people * REST_SECONDS_PER_PERSON
        self.timed("Watch the numbers", lambda: marketer.watch(seconds=most))
        report.seconds["launch to rest"] = round(time.monotonic() - watched, 2)
        report.seconds["read"] = self.timed("Read all numbers", marketer.read)
        findings = self.found(marketer, before)
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

    def found(self, marketer: Marketer, before: dict[str, int]) -> Findings:
        """What the three sides say: the pages, the rows, the sandbox."""
        told, log = marketer.told, self.sandbox(f"requests/?limit={KEEP_LOG}")
        people = census.count(self.stack.env["DATABASE_URL"], GROUP)
        members = self.member_ids()
        per_second = (
            "most_in_one_second"
            if self.preset == "published_by_braze"
            else "most_mappings_in_one_second"
        )
        return Findings(
            people=self.people,
            n_enter=told.n_enter,
            is_at_rest=told.is_at_rest,
            cards=told.cards,
            table=told.table,
            can_add=people.can_add,
            can_remove=people.can_remove,
            n_shared=people.n_shared,
            n_missing=len(people.sent - members),
            n_extra=len(members - people.sent),
            preset=self.preset,
            counters=self.counters(),
            before=before,
            after=self.members(),
            requests=[
                line for line in reversed(log["requests"]) if line["endpoint"] == "segment/mapping"
            ],
            most_in_one_second=log[per_second],
        )

    def members(self) -> dict[str, int]:
        """Audience -> people that came through the API, for the two audiences of the story."""
        listed = self.sandbox("audiences/")["audiences"]
        account = {one["advertiser_id"] for one in listed if one["name"] == NEW_AUDIENCE}
        mine = [one for one in listed if one["advertiser_id"] in account]
        return {
            one["name"]: one["people"]
            for one in mine
            if one["name"] in (NEW_AUDIENCE, OLD_AUDIENCE)
        }

    def member_ids(self) -> set[tuple[str, str]]:
        """(schema, hash) of everybody in the new audience."""
        ids = [
            one["audience_id"]
            for one in self.sandbox("audiences/")["audiences"]
            if one["name"] == NEW_AUDIENCE
        ]
        answer = requests.get(
            f"{self.stack.sandbox_url}/sandbox/api/audiences/{ids[0]}/members/", timeout=60
        )
        answer.raise_for_status()
        return {tuple(json.loads(line)) for line in answer.iter_lines()}

    def sandbox(self, path: str) -> Any:
        """The sandbox's own JSON interface."""
        answer = requests.get(f"{self.stack.sandbox_url}/sandbox/api/{path}", timeout=60)
        answer.raise_for_status()
        return answer.json()

    def counters(self) -> list[str]:
        """What `check_counters --json` finds broken."""
        command = [sys.executable, "manage.py", "check_counters", "--json"]
        done = subprocess.run(
            command, cwd=stack.ROOT, env=self.stack.env, capture_output=True, text=True, check=False
        )
        try:
            return list(json.loads(done.stdout)["broken"])
        except (ValueError, KeyError):
            return [f"it could not be read: {done.stderr[-1000:]}"]
