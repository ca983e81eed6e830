"""One part of a chaos run in a process of its own: ``python -m lab.chaos.worker``.

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

from lab.chaos import judge, world
from lab.chaos.people import Actor


def live(*, actor: int, seed: int, journal: str) -> None:
    """Somebody at work until killed."""
    Actor(actor=actor, seed=seed, journal=Path(journal)).live()


TASKS: dict[str, Callable[..., Any]] = {
    "found": world.found,
    "live": live,
    "watch": judge.watch,
    "calm": judge.calm,
    "judge": judge.judge,
}


def main() -> None:
    """Do the task that the first argument describes."""
    told = json.loads(sys.argv[1])
    sys.stdout.write(json.dumps(TASKS[told.pop("task")](**told)))


if __name__ == "__main__":
    main()
