"""Several machines may migrate at once: one migrates, the others wait and find nothing to do."""

import os
import subprocess
import sys
import time

import pytest
from django.conf import settings
from django.db import connection

from audiencesync.core.database import migration_lock
from audiencesync.groups.management.commands import engine
from tests.support import stack

pytestmark = pytest.mark.slow


@pytest.fixture
def empty_database(tmp_path):
    """Yield the environment of a process with an empty database."""
    if connection.vendor == "sqlite":
        yield stack.environment(tmp_path)
        return
    name = f"empty_{os.getpid()}"
    maintenance = connection.copy()
    with maintenance._nodb_cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield stack.environment(
            tmp_path, DATABASE_URL=f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
        )
    finally:
        with maintenance._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["migrate", "createcachetable"])
def test_two_simultaneous_migrations_both_succeed(empty_database, command):
    run = [sys.executable, "manage.py", command]
    processes = [
        subprocess.Popen(
            run,
            cwd=stack.ROOT,
            env=empty_database,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=600)[0].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert "Traceback" not in "".join(outputs)


@pytest.mark.django_db(transaction=True)
def test_the_second_migration_waits_for_the_first():
    printed = []
    with migration_lock.hold("default"):
        child = f"""
import django; django.setup()
from django.db import connections
from audiencesync.core.database import migration_lock
connections['default'].settings_dict['NAME'] = {str(connection.settings_dict["NAME"])!r}
wait = lambda: print('waits', flush=True)
with migration_lock.hold('default', on_wait=wait):
    print('has it', flush=True)
"""
        env = os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"}
        second = subprocess.Popen(
            [sys.executable, "-c", child], cwd=stack.ROOT, env=env, stdout=subprocess.PIPE
        )
        printed.append(second.stdout.readline())
        assert second.poll() is None
    printed.append(second.stdout.readline())
    assert printed == [b"waits\n", b"has it\n"]
    assert second.wait(60) == 0


def test_heartbeat_files_of_killed_supervisors_are_removed(tmp_path):
    old, new = tmp_path / "engine-vm-1.pulse", tmp_path / "engine-vm-2.pulse"
    for file in (old, new):
        file.touch()
    os.utime(old, (0, time.time() - 2 * engine.STALE_SECONDS))
    engine.delete_stale_files(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["engine-vm-2.pulse"]


def test_two_installations_on_one_redis_have_separate_queues_and_caches():
    names = set()
    for key in ("first", "second"):
        env = stack.environment(
            settings.VAR_DIR, SECRET_KEY=key * 12, REDIS_URL="redis://127.0.0.1:9/0"
        )
        code = (
            "from audiencesync.settings import *; "
            "print(Q_CLUSTER['name'], CACHES['default']['KEY_PREFIX'])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=stack.ROOT,
            env=env,
            check=True,
            capture_output=True,
            text=True,
        )
        names |= set(done.stdout.split())
    assert len(names) == 2
    assert not any("first" in name or "second" in name for name in names)
