"""`manage.py rehearse`: all numbers of the story are right; a wrong one is named and fails it."""

import copy
import json
import subprocess
import sys
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from lab.management.commands.rehearse import Command
from lab.stack.stack import ROOT
from lab.story import verify
from lab.story.rehearse import Report
from lab.story.story import METRICS

DELAY, ADD, REMOVE = "Wait 1 second", "Add to “Rehearsal”", "Remove from “Newsletter readers”"


@pytest.mark.slow
def test_the_whole_story_has_right_numbers(tmp_path):
    command = [sys.executable, "manage.py", "rehearse", "--people", "300", "--json"]
    env = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    process = subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )

    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout)
    assert report["ok"]
    assert report["broken"] == []
    delay, add, remove = (report["metrics"][step] for step in (DELAY, ADD, REMOVE))
    nothing = dict.fromkeys(METRICS, 0)
    assert delay == nothing | {"entered": 300, "proceeded": 300}
    assert 0 < add["not_synced"] < 100
    assert add == nothing | {
        "entered": 300,
        "proceeded": 300,
        "synced": 300 - add["not_synced"],
        "not_synced": add["not_synced"],
    }
    assert remove["entered"] == remove["exited"] == 300
    assert remove["synced"] + remove["not_synced"] == 300
    assert report["sandbox"] == {"Rehearsal": add["synced"], "Newsletter readers": 1500}
    assert list(tmp_path.iterdir()) == []


def numbers(**changed):
    return dict.fromkeys(METRICS, 0) | changed


@pytest.fixture
def findings():
    """Return the findings of a good rehearsal of ten people: eight can be added, nine removed."""
    cards = {
        DELAY: numbers(entered=10, proceeded=10),
        ADD: numbers(entered=10, proceeded=10, synced=8, not_synced=2),
        REMOVE: numbers(entered=10, exited=10, synced=9, not_synced=1),
    }
    line = {"code": 0, "advertisers": ["1"]}
    return verify.Findings(
        people=10,
        n_enter=10,
        is_at_rest=True,
        cards=cards,
        table=copy.deepcopy(cards),
        can_add=8,
        can_remove=9,
        preset="published_by_braze",
        before={"Newsletter readers": 1500},
        after={"Rehearsal": 8, "Newsletter readers": 1500},
        requests=[
            line | {"action": "add", "people": 8, "ids": 12},
            line | {"action": "delete", "people": 9, "ids": 14},
        ],
        most_in_one_second=50,
    )


def test_right_numbers_give_no_sentence(findings):
    assert verify.broken(findings) == []


def test_people_with_a_shared_identifier_may_be_one_member(findings):
    findings.after["Rehearsal"], findings.n_shared = 7, 1

    assert verify.broken(findings) == []


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("step", [DELAY, ADD, REMOVE])
def test_each_metric_of_each_step_is_judged(findings, step, metric):
    findings.cards[step][metric] += 1
    findings.table[step][metric] += 1

    assert any(sentence.startswith(f"{step}: {metric} is") for sentence in verify.broken(findings))


def test_the_analytics_must_say_what_the_card_says(findings):
    findings.table[ADD]["pending"] = 1

    assert [sentence for sentence in verify.broken(findings) if "the analytics say" in sentence]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"is_at_rest": False}, "did not come to rest"),
        ({"n_enter": 9}, "announced 9 people"),
        ({"counters": ["L2 sync 1"]}, "check_counters: L2 sync 1"),
        (
            {"after": {"Rehearsal": 7, "Newsletter readers": 1500}},
            "L5 Rehearsal: the sandbox holds 7",
        ),
        ({"after": {"Rehearsal": 8, "Newsletter readers": 1499}}, "L5 Newsletter readers"),
        (
            {"after": {"Rehearsal": 9, "Newsletter readers": 1500}, "n_shared": 1},
            "L5 Rehearsal: the sandbox holds 9",
        ),
        ({"n_missing": 1}, "1 identifiers are missing"),
        ({"n_extra": 2}, "2 too many"),
        ({"can_add": 7}, "should be 7"),
        ({"most_in_one_second": 51}, "51 requests fell into one second"),
        ({"requests": []}, "accepted 0 people to add, we count 8"),
        ({"cards": {}}, "0 steps instead of 3"),
    ],
)
def test_one_wrong_number_is_one_sentence(findings, change, sentence):
    for name, value in change.items():
        setattr(findings, name, value)

    assert any(sentence in line for line in verify.broken(findings))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"people": 10_001}, "carried 10001 people"),
        ({"code": 40002}, "answered with 40002"),
        ({"advertisers": ["1", "2"]}, "L7"),
    ],
)
def test_each_request_is_judged(findings, change, sentence):
    findings.requests[0] |= change

    assert any(sentence in line for line in verify.broken(findings))


def test_the_other_preset_limits_ids(findings):
    findings.preset = "published_by_tiktok"
    findings.requests[0]["ids"] = 1001

    assert verify.broken(findings) == ["Request 0 carried 1001 ids, 1000 are allowed."]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_finding_ends_with_an_error_and_its_sentence(as_json):
    command = Command(stdout=StringIO(), stderr=StringIO())
    report = Report(
        10, "sqlite", "published_by_braze", broken=["L5: the sandbox accepted 7 people"]
    )

    with pytest.raises(CommandError):
        command.finish(report, as_json=as_json)

    assert "L5: the sandbox accepted 7 people" in command.stderr._out.getvalue()
    printed = command.stdout._out.getvalue()
    assert json.loads(printed)["ok"] is False if as_json else "NOT ok" in printed


@pytest.mark.django_db  # a connection of its own to a database that is not there
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--people", "0"], "--people takes 1 to"),
        (["--people", "10000001"], "--people takes 1 to"),
        (["--database-url", "sqlite:////tmp/x"], "takes a PostgreSQL database"),
        (["--database-url", "postgres://nobody@127.0.0.1:1/x"], "does not answer"),
    ],
)
def test_impossible_options_are_refused(options, words):
    with pytest.raises(CommandError, match=words):
        call_command("rehearse", *options)
