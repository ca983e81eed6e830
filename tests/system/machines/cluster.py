"""Several machines, each with a web and an engine, on one PostgreSQL, Redis and sandbox."""

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
from scripts.ports import free_port
from tests.support.stack import FAST, ROOT, environment, manage, wait_until
from tests.system.machines.servers import Redis, database

STATICFILES = "django.contrib.staticfiles.storage.StaticFilesStorage"
COUNTS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")
COUNTS_SQL = (
    f"SELECT {', '.join(f'coalesce(sum({name}), 0)::int' for name in COUNTS)} FROM partners_tally"
)


class Machine(stack.Stack):
    """A web and an engine with their own folder and port."""

    def start_web(self):
        self.env |= {"WEB_PORT": str(self.port), "WEB_WORKERS": "1"}
        self.spawn("web", "-m", "gunicorn")

    def log_lines(self):
        """Return the JSON lines of the engine's log as dicts."""
        file = self.var / "engine.log"
        lines = file.read_text().splitlines() if file.exists() else []
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def start_engine(self, **more):
        self.env |= more
        self.spawn("engine", "manage.py", "engine")

    def kill_all(self):
        """Kill all processes of the machine and their children, as a power failure would."""
        trees = [processes.tree(process.pid) for process in self.processes.values()]
        for process in chain.from_iterable(trees):
            process.kill()
        for process in self.processes.values():
            process.wait()
        self.processes.clear()


class Cluster:
    """Machines on shared servers, with readings from the database and the sandbox."""

    def __init__(self, url, redis, folder):
        self.redis, self.folder = redis, folder
        self.sandbox_port = free_port()
        self.shared = {
            "DATABASE_URL": url,
            "REDIS_URL": redis.url,
            "STATICFILES_BACKEND": STATICFILES,
            "ENGINE_WORKERS": "2",
            "ENGINE_STOP_SECONDS": "20",
            # Long enough for a busy machine: after the end of a lease people would be sent again.
            "SYNC_LEASE": "20",
            "SYNC_REQUEST_DEADLINE": "15",
            "SYNC_FLUSH_SECONDS": "3",
            "TASK_LOG_LEVEL": "INFO",
            "LOG_FORMAT": "json",
        }
        self.machines = []
        self.n_entered = 0
        sandbox = f"http://127.0.0.1:{self.sandbox_port}"
        partner = {"TIKTOK_API_URL": sandbox, "TIKTOK_AUTH_URL": f"{sandbox}/portal/auth"}
        self.env = environment(folder, **self.shared | partner)
        self.database = psycopg.connect(url, autocommit=True)

    def machine(self):
        """Return a new machine without processes."""
        var = self.folder / f"machine{len(self.machines)}"
        var.mkdir()
        machine = Machine(var, sandbox_port=self.sandbox_port, extra_env=FAST | self.shared)
        self.machines.append(machine)
        return machine

    def open(self, people):
        """Create the demo, start the sandbox and connect the group."""
        self.demo_output = manage(self.env, "demo", "--people", str(people))
        sandbox = self.machine()
        sandbox.spawn("sandbox", "manage.py", "tiktok_sandbox", "--port", str(self.sandbox_port))
        sandbox.await_answer("sandbox", sandbox.sandbox_url)
        self.run_action("connect")

    def run_action(self, name, **arguments):
        """Run an action of machines/actions.py in its own process; return its result."""
        command = [
            sys.executable,
            "-m",
            "tests.system.machines.actions",
            json.dumps({"act": name, **arguments}),
        ]
        process = subprocess.run(
            command, cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )
        assert process.returncode == 0, process.stderr
        return json.loads(process.stdout.splitlines()[-1])

    def launch(self, *, cap):
        """Launch a canvas per ad account, with at most ``cap`` people per request.

        Return the remote ids of the audiences.
        """
        self.counts_before, self.n_mappings_before = self.counts(), len(self.mappings())
        launched = self.run_action("launch", cap=cap)
        self.n_entered += launched["n"]
        return launched["audiences"]

    def counts(self):
        """Return the counts over all Syncs."""
        return dict(zip(COUNTS, self.database.execute(COUNTS_SQL).fetchone(), strict=True))

    def synced(self):
        """Return the number of people synced since the last launch."""
        return self.counts()["synced"] - self.counts_before["synced"]

    def wait_for_synced(self, n, seconds=180):
        """Wait until ``n`` people are synced since the last launch."""
        self.wait_until(lambda: self.synced() >= n, seconds=seconds)

    def wait_until_at_rest(self):
        """Wait until no people are pending, then check all laws."""
        expected = {"entered": self.n_entered, "pending": 0}
        self.wait_until(lambda: expected.items() <= self.counts().items(), seconds=240)
        manage(self.env, "check_counters")

    def wait_until(self, condition, *, seconds):
        """Wait for a condition; fail with the counts and the ends of the engines' logs."""
        try:
            wait_until(condition, seconds=seconds)
        except AssertionError as error:
            logs = [machine.log("engine")[-1500:] for machine in self.machines]
            raise AssertionError(f"{error}: {self.counts()}\n" + "\n".join(logs)) from error

    def count_sendable(self):
        """Return how many people can be added, and the set of (schema, hash) to be sent."""
        counted = self.run_action("census", url=self.shared["DATABASE_URL"])
        return counted["n"], {tuple(identifier) for identifier in counted["sent"]}

    def members(self, audience_id):
        """Return the set of (schema, hash) in an audience of the sandbox."""
        answer = requests.get(self.sandbox_at(f"audiences/{audience_id}/members/"), timeout=120)
        return {tuple(json.loads(line)) for line in answer.iter_lines()}

    def sandbox_at(self, path):
        return f"http://127.0.0.1:{self.sandbox_port}/sandbox/api/{path}"

    def mappings(self):
        """Return the mapping requests of the sandbox's log, oldest first."""
        url = self.sandbox_at("requests/?limit=100000")
        lines = requests.get(url, timeout=120).json()["requests"]
        return [line for line in reversed(lines) if line["endpoint"] == "segment/mapping"]

    def new_mappings(self):
        """Return the mapping requests since the last launch."""
        return self.mappings()[self.n_mappings_before :]

    def close(self):
        self.database.close()
        for machine in self.machines:
            machine.kill_all()
        self.redis.kill()


@contextmanager
def running_cluster(people):
    """Yield a cluster after `open`, with this number of people in the demo's group."""
    folder = Path(tempfile.mkdtemp(prefix="audiencesync-cluster-"))
    try:
        with database(has_tables=True) as url:
            redis = Redis(folder)
            redis.start()
            cluster = Cluster(url, redis, folder)
            try:
                cluster.open(people)
                yield cluster
            finally:
                cluster.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
