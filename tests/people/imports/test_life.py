"""Cancel, throw away, two at once, killed in between, kept for how long; nothing is lost and nothing counts twice."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.imports import life, running, uploads
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.imports import Import, ImportMember, RejectPart, UploadPart
from tests.support.import_pages import URL, turns

N = 50
FILE = (
    "external_id,email\n"
    + "".join(f"c-{n % 40},p{n}@example.org\n" for n in range(N - 2))
    + ",\n,x@example.org\n,y\n"
)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(running, "CHUNK", 7)


def chunks(n):
    """A worker that does n chunks and dies, lease in hand."""
    run = running.lease(now=timezone.now())
    with running.Worker(run) as worker:
        for _ in range(n):
            worker.chunk(now=timezone.now())
    return run


def counts(row):
    row.refresh_from_db()
    assert row.n_rows == row.n_created + row.n_updated + row.n_rejected
    return row.state, row.n_rows, row.n_created, row.n_updated, row.n_rejected, row.n_people


def test_a_killed_import_goes_on_where_it_stopped(imports):
    row = imports.started(FILE)
    chunks(3)
    assert counts(row) == ("running", 21, 21, 0, 0, 21)
    assert running.lease(now=timezone.now()) is None
    Import.objects.update(leased_until=timezone.now())
    turns()
    assert counts(row) == ("done", N, 40, 8, 2, 40)
    assert [line.split(",")[0] for line in imports.rejects(row)[1:]] == ['"51"', '"52"']
    assert Profile.objects.get(external_id="c-3").email == "p43@example.org"


def test_a_late_worker_changes_nothing(imports):
    row = imports.started(FILE)
    late = running.lease(now=timezone.now())
    with running.Worker(late) as worker:
        worker.chunk(now=timezone.now())
        Import.objects.update(leased_until=timezone.now())
        turns()
        done = counts(row)
        assert worker.chunk(now=timezone.now()) is False
    assert counts(row) == done == ("done", N, 40, 8, 2, 40)
    assert RejectPart.objects.count() == 2


def test_cancel_keeps_what_is_imported_and_ends_it(imports):
    row = imports.started(FILE)
    chunks(2)
    page = imports.client.post(f"{URL}{row.pk}/cancel/", follow=True).content.decode()
    assert "The import was cancelled" in page
    turns()
    assert counts(row) == ("cancelled", 14, 14, 0, 0, 14)
    assert UploadPart.objects.count() == 0
    assert (
        "not running" in imports.client.post(f"{URL}{row.pk}/cancel/", follow=True).content.decode()
    )


def test_a_worker_notices_the_cancel(imports):
    row = imports.started(FILE)
    run = running.lease(now=timezone.now())
    with running.Worker(run) as worker:
        worker.chunk(now=timezone.now())
        life.cancel(row)
        assert worker.chunk(now=timezone.now()) is False
    assert counts(row) == ("cancelled", 7, 7, 0, 0, 7)
    assert Profile.objects.count() == 7


def test_two_imports_take_turns(imports, monkeypatch):
    monkeypatch.setattr(running, "TURN_SECONDS", 0)
    first, second = imports.started(FILE), imports.started(FILE.replace("c-", "d-"))
    run = running.lease(now=timezone.now())
    assert running.lease(now=timezone.now()) is None
    running.turn(run)
    running.let_go(run)
    assert [counts(first)[1], counts(second)[1]] == [7, 0]
    turns()
    assert counts(first) == counts(second) == ("done", N, 40, 8, 2, 40)


def test_it_starts_once_however_often_it_is_asked(imports):
    url = imports.uploaded(FILE)
    form = imports.form(url) | {"start": "1"}
    imports.client.post(url, form)
    turns()
    answer = imports.client.post(url, form, follow=True)
    assert "started already" in answer.content.decode()
    assert counts(Import.objects.get())[1] == N


def test_a_database_in_trouble_is_tried_again_and_at_last_given_up(imports):
    row = imports.started(FILE)
    Import.objects.update(n_tries=running.MOST_TRIES)
    turns()
    assert counts(row)[0] == "failed"
    assert "several times" in imports.client.get(f"{URL}{row.pk}/").content.decode()


def test_a_lost_file_fails_in_words(imports):
    row = imports.started(FILE)
    UploadPart.objects.all().delete()
    turns()
    assert counts(row) == ("failed", 0, 0, 0, 0, 0)
    assert "no longer there" in imports.client.get(f"{URL}{row.pk}/").content.decode()


def test_rows_beyond_the_limit_stay_out(imports, monkeypatch):
    monkeypatch.setattr(running, "MOST_ROWS", 10)
    row = imports.run(FILE)
    assert counts(row) == ("done", 10, 10, 0, 0, 10)
    assert (
        "more rows than an import may have"
        in imports.client.get(f"{URL}{row.pk}/").content.decode()
    )


def test_exactly_the_limit_is_no_trouble(imports, monkeypatch):
    monkeypatch.setattr(running, "MOST_ROWS", N)
    assert imports.run(FILE).trouble == ""


SQLITE = """CREATE TRIGGER poison BEFORE INSERT ON people_profile WHEN NEW.external_id = 'c-4'
BEGIN SELECT RAISE(ABORT, 'poison'); END"""
POSTGRESQL = """CREATE FUNCTION poison() RETURNS trigger AS $$ BEGIN IF NEW.external_id = 'c-4' THEN
RAISE 'poison' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER poison BEFORE INSERT ON people_profile FOR EACH ROW EXECUTE FUNCTION poison()"""


def test_a_row_that_only_the_database_refuses_is_found_and_rejected(imports):
    row = imports.started(
        "external_id,email\n" + "".join(f"c-{n},p{n}@example.org\n" for n in range(20))
    )
    with connection.cursor() as cursor:
        cursor.execute(SQLITE if connection.vendor == "sqlite" else POSTGRESQL)
    turns()
    assert counts(row) == ("done", 20, 19, 0, 1, 19)
    assert imports.rejects(row)[1].startswith('"6","The row could not be stored."')


def test_thrown_away_files_and_parts_of_dead_uploads_go(imports, time_machine):
    url = imports.uploaded(FILE)
    assert imports.client.post(f"{url}discard/").status_code == 302
    assert Import.objects.count() == UploadPart.objects.count() == 0
    imports.uploaded(FILE)
    with open(__file__, "rb") as file:
        uploads.store(file)  # and here the web process dies
    life.tidy()
    assert UploadPart.objects.count() == 2
    time_machine.move_to(timezone.now() + timedelta(hours=1))
    life.tidy()
    assert UploadPart.objects.count() == 1
    time_machine.move_to(timezone.now() + timedelta(days=1))
    life.tidy()
    assert Import.objects.count() == UploadPart.objects.count() == 0


def test_rejects_and_members_are_kept_for_a_while(imports, time_machine):
    plain, asked = imports.run(FILE), imports.run(FILE, segment_name="Ours")
    time_machine.move_to(timezone.now() + timedelta(days=8))
    life.tidy()
    assert RejectPart.objects.count() == 0
    page = imports.client.get(f"{URL}{plain.pk}/")
    assert page.status_code in {200, 302}
    time_machine.move_to(timezone.now() + timedelta(days=31))
    life.tidy()
    assert set(ImportMember.objects.values_list("run", flat=True)) == {asked.pk}
    assert Segment.objects.count() == 1
