"""Run the lines of a Dockerfile in an empty directory that replaces the root of an image.

FROM is the Python of this machine; USER and EXPOSE are only noted. Absolute paths of WORKDIR and
ENV point into the directory. COPY obeys .dockerignore as Docker does: the last matching line wins.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

NOTED = ("FROM", "USER", "EXPOSE", "HEALTHCHECK", "CMD")
# The variables by which this machine reaches PyPI.
NETWORK = re.compile(r"(?i)^(pip_|ssl_|uv_|requests_ca|https?_proxy|no_proxy|home$)")


class BuildError(AssertionError):
    """A line failed; the message has its output."""


def lines_of(text):
    """Return (instruction, rest) of each line; continued lines are joined."""
    whole = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    return [tuple(line.strip().split(None, 1)) for line in whole.splitlines() if line.strip()]


def _matches(pattern, path):
    """Return whether a pattern of Docker matches a path or one of its parent folders."""
    regex = (
        re.escape(pattern)
        .replace(r"\*\*/", "(.*/)?")
        .replace(r"\*", "[^/]*")
        .replace(r"\?", "[^/]")
    )
    return re.fullmatch(f"{regex}(/.*)?", path) is not None


def let_through(path, patterns):
    """Return whether .dockerignore keeps a path in the build context."""
    ignored = False
    for line in patterns:
        pattern = line.strip().removeprefix("!").strip("/")
        if pattern and not pattern.startswith("#") and _matches(pattern, path):
            ignored = not line.strip().startswith("!")
    return not ignored


def context_of(root, patterns):
    """Return the relative paths of the build context, without .git, .venv and build."""
    found = []
    for folder, folders, files in os.walk(root):
        here = Path(folder).relative_to(root)
        folders[:] = [
            name for name in folders if here != Path() or name not in (".git", ".venv", "build")
        ]
        found += [
            path for path in (str(here / name) for name in files) if let_through(path, patterns)
        ]
    return found


@dataclass
class Image:
    """An image under construction."""

    root: Path
    project: Path
    patterns: list[str]
    workdir: str = "/"
    env: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)

    def build(self, lines):
        """Run all lines in order."""
        for instruction, rest in lines:
            if instruction in NOTED:
                self.noted[instruction] = rest
            else:
                getattr(self, instruction)(rest)

    def inside(self, path):
        """Return the path on this machine of a path in the image."""
        return Path(os.path.normpath(f"{self.root}/{os.path.join(self.workdir, path)}"))

    def WORKDIR(self, path):
        self.workdir = os.path.join(self.workdir, path)
        self.inside(".").mkdir(parents=True, exist_ok=True)

    def ENV(self, rest):
        for pair in rest.split():
            name, _sign, value = pair.partition("=")
            parts = [
                str(self.inside(part)) if part.startswith("/") else part
                for part in value.split(":")
            ]
            self.env[name] = ":".join(parts).replace("$PATH", self.surroundings()["PATH"])

    def COPY(self, rest):
        *sources, target = rest.split()
        copied = 0
        for path in context_of(self.project, self.patterns):
            if any(
                source == "." or path == source or path.startswith(f"{source}/")
                for source in sources
            ):
                goal = self.inside(target) / (path if sources == ["."] else Path(path).name)
                goal.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(self.project / path, goal)
                copied += 1
        if not copied:
            raise BuildError(f"COPY {rest}: nothing to copy")

    def RUN(self, rest):
        self.run("sh", "-c", rest)

    def surroundings(self):
        """Return the environment of a process: the base image's PATH, access to PyPI, ENV."""
        base = self.root / "usr" / "bin"
        base.mkdir(parents=True, exist_ok=True)
        if not (base / "python").exists():
            (base / "python").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
        network = {name: value for name, value in os.environ.items() if NETWORK.match(name)}
        return (
            network | {"PATH": f"{base}:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"} | self.env
        )

    def start(self, *command, log, **env):
        """Start a process of the image with its output in ``log``."""
        env = self.surroundings() | env
        program = shutil.which(command[0], path=env["PATH"])
        if program is None:
            raise BuildError(f"there is no {command[0]} in the image")
        return subprocess.Popen(
            [program, *command[1:]],
            cwd=self.inside("."),
            env=env,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def run(self, *command, **env):
        """Run a process to its end. Raise BuildError with its output if it fails."""
        with (self.root / "output").open("w+") as log:
            code = self.start(*command, log=log, **env).wait(300)
            log.seek(0)
            if code:
                raise BuildError(f"{' '.join(command)}: exit code {code}\n{log.read()[-3000:]}")

    def command(self, instruction):
        """Return the command of CMD or HEALTHCHECK in exec form."""
        return json.loads(self.noted[instruction][self.noted[instruction].index("[") :])
