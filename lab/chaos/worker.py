"""Do one task of a chaos run in a separate process: ``python -m lab.chaos.worker``.

The first argument is JSON: {"task": name, ...arguments}. A task that ends prints its JSON result.
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
from lab.chaos.actors import Actor


def act(*, actor: int, seed: int, journal: str) -> None:
    """Act at random until killed."""
    Actor(actor=actor, seed=seed, journal=Path(journal)).run()


TASKS: dict[str, Callable[..., Any]] = {
    "make": world.create_rows,
    "act": act,
    "watch": judge.watch,
    "calm": judge.calm,
    "judge": judge.judge,
}


def main() -> None:
    """Run the task that the first argument describes."""
    arguments = json.loads(sys.argv[1])
    task = TASKS[arguments.pop("task")]
    sys.stdout.write(json.dumps(task(**arguments)))


if __name__ == "__main__":
    main()
