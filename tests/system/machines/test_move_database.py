"""move_database copies a SQLite file to PostgreSQL; there the laws hold and the work continues."""

import sqlite3
from contextlib import closing

import psycopg
import pytest

from audiencesync.core.database import move_database
from tests.support import migrated
from tests.support.stack import environment, manage
from tests.system.machines.servers import database

pytestmark = [pytest.mark.slow, pytest.mark.machines]
ADD_LIVE_CANVAS = """
from django.utils import timezone
from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import Profile, Segment, Withdrawal
from canvases import engine
from canvases.models import Canvas, Step
from partners.models import AdAccount, Audience, Connection, Sync
group = AppGroup.objects.get(slug="acme")
segment, _ = Segment.objects.get_or_create(app_group=group, name="All")
account = AdAccount.objects.first()
if account is None:
    connection = Connection.objects.create(partner="tiktok", app_group=group)
    account = AdAccount.objects.create(connection=connection, remote_id="7", name="EU")
n = Canvas.objects.count()
audience = Audience.objects.create(ad_account=account, name=f"a{n}", remote_id=f"8{n}")
sync = Sync.objects.create(
    app_group=group, audience=audience, action="add", kinds=["email"], label="x", url="/"
)
canvas = Canvas.objects.create(app_group=group, name=f"c{n}", segment=segment)
step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
step.syncs.add(sync)
engine.launch(canvas, by=User.objects.first(), now=timezone.now())
while engine.move_all(now=timezone.now()):
    pass
for profile in Profile.objects.all()[:3]:  # the sequence of a table without rows moves too
    Withdrawal.objects.create(app_group=group, profile=profile, at=timezone.now()).delete()
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Return a SQLite file with people, a launched canvas and pending deliveries."""
    var = migrated.into(tmp_path_factory.mktemp("one"))
    env = environment(var)
    manage(env, "demo", "--people", "200")
    manage(env, "shell", "-c", ADD_LIVE_CANVAS)
    return var / "audiencesync.sqlite3"


@pytest.fixture
def target(tmp_path):
    """Yield the environment of an empty, migrated PostgreSQL."""
    with database(has_tables=True) as url:
        yield environment(tmp_path, DATABASE_URL=url)


def row_counts(execute):
    tables = [model._meta.db_table for model in move_database.models()]
    return {table: execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}


def test_all_rows_are_moved_and_the_work_goes_on(file, target):
    output = manage(target, "move_database", str(file))
    with closing(sqlite3.connect(file)) as old, psycopg.connect(target["DATABASE_URL"]) as new:
        before, after = row_counts(old.execute), row_counts(new.execute)
        assert after == before
        hashes = (
            "SELECT external_id, email_sha256, phone_sha256, idfa_sha256 "
            "FROM people_profile ORDER BY id"
        )
        assert new.execute(hashes).fetchall() == old.execute(hashes).fetchall()
        timestamps = [
            row[0]
            for row in new.execute("SELECT due_at FROM partners_batch ORDER BY id").fetchall()
        ]
        last = old.execute(
            "SELECT seq FROM sqlite_sequence WHERE name = 'people_withdrawal'"
        ).fetchone()
        assert (
            new.execute("SELECT last_value FROM people_withdrawal_id_seq").fetchone()
            == last
            == (3,)
        )
        texts = [
            row[0]
            for row in old.execute("SELECT due_at FROM partners_batch ORDER BY id").fetchall()
        ]
        assert [at.strftime("%Y-%m-%d %H:%M:%S.%f") for at in timestamps] == texts
    assert f"Moved {sum(before.values())} rows" in output
    assert before["partners_delivery"] == 200
    manage(target, "check_counters")
    manage(target, "shell", "-c", ADD_LIVE_CANVAS)  # shows that the sequences give new ids
    manage(target, "check_counters")


def refusal(env, file):
    with pytest.raises(AssertionError, match="CommandError: ") as refused:
        manage(env, "move_database", str(file))
    return str(refused.value)


def test_a_move_that_would_fail_is_refused_with_its_reason(file, target):
    assert "DATABASE_URL must name the PostgreSQL" in refusal(
        target | {"DATABASE_URL": f"sqlite:///{file}"}, file
    )
    assert "There is no file" in refusal(target, f"{file}x")
    with closing(sqlite3.connect(file, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert "Nothing was moved: database is locked" in refusal(target, file)
    with psycopg.connect(target["DATABASE_URL"]) as new:
        new.execute("INSERT INTO groups_beatslot (name, slot) VALUES ('pulse', 0)")
    assert "The PostgreSQL is not empty: groups_beatslot" in refusal(target, file)
    with psycopg.connect(target["DATABASE_URL"]) as new:
        new.execute(
            "DELETE FROM django_migrations WHERE app = 'canvases' AND name = '0002_initial'"
        )
    assert "not of one version (canvases)" in refusal(target, file)
