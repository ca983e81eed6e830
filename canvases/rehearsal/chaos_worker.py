"""One part of a chaos run in a process of its own: ``python -m canvases.rehearsal.chaos_worker``.

Told what to do as JSON in the first argument; those who end print one JSON object.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from canvases.rehearsal import chaos_judge, chaos_world
from canvases.rehearsal.chaos_people import Actor


def live(*, actor: int, seed: int, journal: str) -> None:
    """Somebody at work until killed."""
    Actor(actor=actor, seed=seed, journal=Path(journal)).live()


TASKS: dict[str, Callable[..., Any]] = {
    "found": chaos_world.found,
    "live": live,
    "watch": chaos_judge.watch,
    "calm": chaos_judge.calm,
    "judge": chaos_judge.judge,
}


def main() -> None:
    """Do the task that the first argument describes."""
    told = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(TASKS[told.pop("task")](**told)))


if __name__ == "__main__":
    main()
