"""Several machines: each a web and an engine with a folder of its own, on one PostgreSQL, one Redis and one sandbox."""

import json
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import psycopg
import requests

from lab.stack import processes, stack
from tests.support.stack import FAST, ROOT, environment, free_port, manage, wait_until
from tests.system.machines.servers import Redis, database

PLAIN = "django.contrib.staticfiles.storage.StaticFilesStorage"
COUNTS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")
NUMBERS = (
    f"SELECT {', '.join(f'coalesce(sum({name}), 0)::int' for name in COUNTS)} FROM partners_tally"  # noqa: S608 - names of ours
)


class Machine(stack.Stack):
    """Its processes read the same environment as those of the others, but for the folder and the port."""

    def start_web(self):
        self.env |= {"WEB_PORT": str(self.port), "WEB_WORKERS": "1"}
        self.spawn("web", "-m", "gunicorn")

    def log_lines(self):
        """The engine's lines, as objects."""
        file = self.var / "engine.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def start_engine(self, **more):
        self.env |= more
        self.spawn("engine", "manage.py", "engine")

    def lose_power(self):
        """Every process of the machine ends at once, those that were started by others, too."""
        trees = [processes.tree(process.pid) for process in self.processes.values()]
        for process in chain.from_iterable(trees):
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()


class Town:
    """What the machines share, and what a marketer, TikTok and the rows tell."""

    def __init__(self, url, redis, folder):
        self.redis, self.folder = redis, folder
        self.sandbox_port = free_port()
        self.shared = {
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "STATICFILES_BACKEND": PLAIN,
            "ENGINE_WORKERS": "2",
            "ENGINE_STOP_SECONDS": "12",
            "SYNC_LEASE": "6",
            "SYNC_REQUEST_DEADLINE": "3",
            "SYNC_FLUSH_SECONDS": "3",
            "TASK_LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
        }
        self.machines = []
        self.entered = 0
        sandbox = f"http://127.0.0.1:{self.sandbox_port}"
        partner = {"TIKTOK_API_URL": sandbox, "TIKTOK_AUTH_URL": f"{sandbox}/portal/auth"}
        self.env = environment(folder, **self.shared | partner)
        self.rows = psycopg.connect(url, autocommit=True)

    def machine(self):
        """One more; nothing runs on it yet."""
        var = self.folder / f"machine{len(self.machines)}"
        var.mkdir()
        one = Machine(var, sandbox_port=self.sandbox_port, more=FAST | self.shared)
        self.machines.append(one)
        return one

    def open(self, people):
        manage(self.env, "migrate", "--no-input")
        self.told = manage(self.env, "demo", "--people", str(people))
        sandbox = self.machine()
        sandbox.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", str(self.sandbox_port))
        sandbox.await_answer("sandbox", sandbox.sandbox_url)
        self.act("connect")

    def act(self, name, **told):
        """One act of tests/system/machines/acts.py in a process of its own; what it tells."""
        command = [
            sys.executable,
            "-m",
            "tests.system.machines.acts",
            json.dumps({"act": name, **told}),
        ]
        done = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def launch(self, *, cap):
        """A canvas for everybody on each of three ad accounts, at most ``cap`` people per request; audience ids."""
        self.before, self.seen = self.numbers(), len(self.mappings())
        told = self.act("launch", cap=cap)
        self.entered += told["n"]
        return told["audiences"]

    def numbers(self):
        return dict(zip(COUNTS, self.rows.execute(NUMBERS).fetchone(), strict=True))

    def synced(self):
        """People synced since the last launch."""
        return self.numbers()["synced"] - self.before["synced"]

    def waits_for(self, n, seconds=30):
        """Until that many people are synced since the last launch."""
        self.sees(lambda: self.synced() >= n, seconds=seconds)

    def rests(self):
        """Until nobody is pending; then all laws must hold."""
        done = {"entered": self.entered, "pending": 0}
        self.sees(lambda: done.items() <= self.numbers().items(), seconds=60)
        manage(self.env, "check_counters")

    def sees(self, condition, *, seconds):
        try:
            wait_until(condition, seconds=seconds)
        except AssertionError as error:
            words = [one.log("engine")[-1500:] for one in self.machines]
            raise AssertionError(f"{error}: {self.numbers()}\n" + "\n".join(words)) from error

    def people(self):
        """How many of the group can be added, and the (schema, hash) of what is sent of them."""
        told = self.act("census", url=self.shared["DATABASE_URL"])
        return told["n"], {tuple(one) for one in told["sent"]}

    def members(self, audience_id):
        """(schema, hash) of everybody in an audience of the sandbox."""
        answer = requests.get(self.sandbox_at(f"audiences/{audience_id}/members/"), timeout=30)
        return {tuple(json.loads(line)) for line in answer.iter_lines()}

    def sandbox_at(self, path):
        return f"http://127.0.0.1:{self.sandbox_port}/sandbox/api/{path}"

    def mappings(self):
        """The requests with people that the sandbox has seen since it started, oldest first."""
        told = requests.get(self.sandbox_at("requests/?limit=100000"), timeout=30).json()[
            "requests"
        ]
        return [line for line in reversed(told) if line["endpoint"] == "segment/mapping"]

    def new_mappings(self):
        """Those since the last launch."""
        return self.mappings()[self.seen :]

    def close(self):
        self.rows.close()
        for machine in self.machines:
            machine.lose_power()
        self.redis.kill()


@contextmanager
def town(people):
    """Everything, for a while."""
    folder = Path(tempfile.mkdtemp(prefix="audiencesync-town-"))
    try:
        with database() as url:
            redis = Redis(folder)
            redis.start()
            one = Town(url, redis, folder)
            try:
                one.open(people)
                yield one
            finally:
                one.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
