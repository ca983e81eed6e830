"""`make run`: web, engine and sandbox on this machine with demo data. Standard library only."""

import argparse
import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import bootstrap
from bootstrap import PYTHON, ROOT, stop

START_SECONDS = 60
# Values of DEMO that mean no, the same as in audiencesync/core/environment.py.
NO = ("", "0", "no", "n", "false", "off")


def parse() -> argparse.Namespace:
    """Parse the two ports."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", required=True)
    parser.add_argument("--sandbox-port", required=True)
    return parser.parse_args()


def check_ports(web: str, sandbox: str) -> None:
    """Exit if a port is invalid or in use, before anything is installed."""
    if web == sandbox:
        stop(
            f"PORT and SANDBOX_PORT are both {web}. They must differ: "
            "make run PORT=8000 SANDBOX_PORT=8900"
        )
    for name, value in (("PORT", web), ("SANDBOX_PORT", sandbox)):
        if not value.isdecimal() or not 0 < int(value) < 65536:
            stop(
                f"{name}={value} is not a port. Use a number from 1 to 65535: make run {name}=8123"
            )
        if problem := port_problem(int(value)):
            other = int(value) % 65000 + 100  # only an example
            stop(f"{name} {value} {problem}. Choose another one: make run {name}={other}")


def port_problem(port: int) -> "str | None":
    """Return why we cannot listen on a port, or None if we can."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            return "needs the rights of root"
        except OSError:
            return "is taken"
    return None


def demo_keys(file: Path) -> "dict[str, str]":
    """Return the keys of the demo; create them once, in a file with mode 0600."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not file.exists():
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(f"SECRET_KEY={secrets.token_urlsafe(64)}\nTOKEN_KEYS=demo:{key}\n")
    lines = [line.partition("=") for line in file.read_text().splitlines()]
    return {
        name.strip(): value.strip()
        for name, sign, value in lines
        if sign and not name.startswith("#")
    }


def environment(args: argparse.Namespace) -> "dict[str, str]":
    """Return the environment of the three processes. Variables that are already set are kept."""
    var = Path(os.environ.get("VAR_DIR", ROOT / "var"))
    sandbox = f"http://127.0.0.1:{args.sandbox_port}"
    demo = {
        "DEMO": "1",
        "VAR_DIR": str(var),
        "SITE_URL": f"http://127.0.0.1:{args.port}",
        "TIKTOK_API_URL": sandbox,
        "TIKTOK_AUTH_URL": f"{sandbox}/portal/auth",
        "TIKTOK_APP_ID": "7000000000000000001",
        "TIKTOK_APP_SECRET": "sandbox-secret",
    }
    ports = {"WEB_PORT": args.port, "SANDBOX_PORT": args.sandbox_port, "PYTHONUNBUFFERED": "1"}
    return demo | demo_keys(var / "demo.env") | dict(os.environ) | ports


def manage(env: "dict[str, str]", *arguments: str) -> str:
    """Run a management command and return its output; exit with its output if it fails."""
    command = [PYTHON, "manage.py", *arguments]
    result = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if result.returncode:
        print(result.stdout + result.stderr, file=sys.stderr)
        stop(f"`manage.py {arguments[0]}` failed; its output is above.")
    return result.stdout.strip()


def prepare(env: "dict[str, str]") -> str:
    """Prepare database, static files and demo data; a repetition changes nothing.

    Return how to sign in, or with DEMO=0 how to create the first account.
    """
    print("Preparing the database, the static files and the demo ...", flush=True)
    manage(env, "migrate", "--no-input")
    manage(env, "createcachetable")
    manage(env, "collectstatic", "--no-input")
    return manage(env, "setup" if env["DEMO"].strip().lower() in NO else "demo")


def answers(url: str) -> bool:
    """Return whether an HTTP server answers."""
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def wait_for(urls: "list[str]", honcho: "subprocess.Popen[bytes]") -> bool:
    """Wait until all URLs answer. Return False if the processes end first or it takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and honcho.poll() is None:
        if all(answers(url) for url in urls):
            return True
        time.sleep(0.3)
    return False


def box(lines: "list[str]") -> str:
    """Return the lines in a frame that stands out from the log."""
    width = max(len(line) for line in lines)
    middle = [f"║  {line.ljust(width)}  ║" for line in lines]
    return "\n".join(["", f"╔{'═' * (width + 4)}╗", *middle, f"╚{'═' * (width + 4)}╝", ""])


def serve(env: "dict[str, str]", sign_in: str) -> int:
    """Start the three processes, print where to go, and wait until they end."""
    honcho = subprocess.Popen(
        [PYTHON, "-m", "honcho", "start", "web", "engine", "sandbox"], cwd=ROOT, env=env
    )
    # The terminal sends Ctrl-C to honcho as well, which stops all three.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: honcho.terminate())
    if wait_for([env["SITE_URL"], env["TIKTOK_API_URL"]], honcho):
        sandbox = f"The sandbox that plays TikTok: {env['TIKTOK_API_URL']}/"
        print(
            box([*sign_in.splitlines(), sandbox, "Ctrl-C stops everything; the data stays."]),
            flush=True,
        )
    elif honcho.poll() is None:
        honcho.terminate()
        honcho.wait()
        stop(f"The processes did not answer within {START_SECONDS} s; their log is above.")
    code = honcho.wait()
    return 0 if code in (130, 143) else code  # stopped by Ctrl-C or SIGTERM


def main() -> int:
    """Install, prepare and run everything."""
    args = parse()
    bootstrap.check_python()
    check_ports(args.port, args.sandbox_port)
    bootstrap.main("requirements.lock")
    env = environment(args)
    return serve(env, prepare(env))


if __name__ == "__main__":
    sys.exit(main())
