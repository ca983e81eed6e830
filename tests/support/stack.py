"""The stack of lab.stack for tests: a beat every second, the same keys in all stacks."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from audiencesync.core import crypto
from audiencesync.core.demo_accounts import ADMIN, PASSWORD_FILE
from lab.stack import stack
from lab.stack.stack import ROOT, answers, manage, wait_until

__all__ = [
    "ADMIN",
    "PASSWORD",
    "ROOT",
    "Stack",
    "answers",
    "copy_to",
    "environment",
    "manage",
    "prepare",
    "wait_until",
]

PASSWORD = "only-for-tests-of-the-demo"  # of no value
FAST = {
    "SECRET_KEY": "only-for-tests-but-long-enough-to-be-a-key-0123456789-abcdefghij",
    "TOKEN_KEYS": crypto.new_key("test"),
    "BEAT_SECONDS": "1",
    "WEB_WORKERS": "1",
    "WEBHOOK_ALLOW_PRIVATE": "true",  # a receiver on this machine
}


def environment(var: Path, **more: str) -> dict[str, str]:
    """Return the environment of a stack, for commands that run beside it."""
    return stack.environment(var, **FAST | more)


def copy_to(template: Path, var: Path) -> Path:
    """Copy a prepared folder to ``var``; return ``var``."""
    shutil.copytree(template, var, dirs_exist_ok=True)
    return var


def prepare(var: Path) -> str:
    """Prepare a folder to copy for stacks, with the demo; return the output of the demo command."""
    (var / PASSWORD_FILE).write_text(PASSWORD)
    return stack.prepare(var, env=environment(var))


@dataclass
class Stack(stack.Stack):
    """Web, engine and sandbox."""

    def __post_init__(self) -> None:
        self.extra_env = FAST | self.extra_env
        super().__post_init__()
