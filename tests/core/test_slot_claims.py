"""Exactly one engine claims each slot of the scheduler; slots only move forward."""

import subprocess
import sys
from collections import Counter

import pytest
from django.db import connection

from audiencesync.core import beat
from tests.support import migrated, stack

CLAIM_FIFTY = """
import django; django.setup()
from audiencesync.core.beat import claim
print(*[slot for slot in range(1, 51) if claim("contested", slot)])
"""


def test_the_second_claim_of_a_slot_fails(db):
    assert beat.claim("x", 10)
    assert not beat.claim("x", 10)


def test_a_slot_only_moves_forward(db):
    assert beat.claim("x", 10)
    assert not beat.claim("x", 9)
    assert beat.claim("x", 11)


def test_each_beat_has_its_own_slot(db):
    assert beat.claim("x", 10)
    assert beat.claim("y", 10)


def test_a_slot_of_a_skewed_clock_does_not_block_the_beat(db):
    far_ahead = 10 + beat.CLOCK_SKEW_MS + 1
    assert beat.claim("x", far_ahead)
    assert beat.claim("x", 10)


def test_slots_are_equal_for_all_engines_and_without_gap():
    assert beat.slot_at(100.0, 5.0) == beat.slot_at(104.9, 5.0) == 100_000
    assert beat.slot_at(105.0, 5.0) == 105_000


@pytest.fixture
def shared_database(transactional_db, tmp_path):
    """Return the environment of processes that share one database of the kind under test."""
    if connection.vendor == "sqlite":
        return stack.environment(migrated.into(tmp_path))
    s = connection.settings_dict
    url = f"postgres://{s['USER']}:{s['PASSWORD']}@{s['HOST']}:{s['PORT']}/{s['NAME']}"
    return stack.environment(tmp_path, DATABASE_URL=url)


@pytest.mark.slow
def test_three_engines_claim_each_slot_once(shared_database):
    env = shared_database
    command = [sys.executable, "-c", CLAIM_FIFTY]
    claimers = [
        subprocess.Popen(command, cwd=stack.ROOT, env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    won = Counter(
        int(slot) for claimer in claimers for slot in claimer.communicate(timeout=60)[0].split()
    )
    assert won == Counter(range(1, 51))
