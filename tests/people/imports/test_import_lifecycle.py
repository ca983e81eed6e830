"""Cancel, discard, resume and clean up imports: no row is lost or counted twice."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.imports import lifecycle, runner, uploads
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.imports import Import, ImportMember, RejectPart, UploadPart
from tests.support.import_pages import URL, run_imports

pytestmark = pytest.mark.thorough

N = 50
FILE = (
    "external_id,email\n"
    + "".join(f"c-{n % 40},p{n}@example.org\n" for n in range(N - 2))
    + ",\n,x@example.org\n,y\n"
)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr(runner, "CHUNK", 7)


def run_chunks(n):
    """Process n chunks, then die with the lease in hand."""
    run = runner.lease(now=timezone.now())
    with runner.Worker(run) as worker:
        for _ in range(n):
            worker.write_chunk(now=timezone.now())
    return run


def counts(row):
    row.refresh_from_db()
    assert row.n_rows == row.n_created + row.n_updated + row.n_rejected
    return row.state, row.n_rows, row.n_created, row.n_updated, row.n_rejected, row.n_people


def test_a_killed_import_resumes_where_it_stopped(import_pages):
    row = import_pages.start(FILE)
    run_chunks(3)
    assert counts(row) == ("running", 21, 21, 0, 0, 21)
    assert runner.lease(now=timezone.now()) is None
    Import.objects.update(leased_until=timezone.now())
    run_imports()
    assert counts(row) == ("done", N, 40, 8, 2, 40)
    assert [line.split(",")[0] for line in import_pages.rejects(row)[1:]] == ['"51"', '"52"']
    assert Profile.objects.get(external_id="c-3").email == "p43@example.org"


def test_a_worker_without_its_lease_changes_nothing(import_pages):
    row = import_pages.start(FILE)
    late = runner.lease(now=timezone.now())
    with runner.Worker(late) as worker:
        worker.write_chunk(now=timezone.now())
        Import.objects.update(leased_until=timezone.now())
        run_imports()
        done = counts(row)
        assert worker.write_chunk(now=timezone.now()) is False
    assert counts(row) == done == ("done", N, 40, 8, 2, 40)
    assert RejectPart.objects.count() == 2


def test_cancel_ends_an_import_and_keeps_its_profiles(import_pages):
    row = import_pages.start(FILE)
    run_chunks(2)
    page = import_pages.client.post(f"{URL}{row.pk}/cancel/", follow=True).content.decode()
    assert "The import was cancelled" in page
    run_imports()
    assert counts(row) == ("cancelled", 14, 14, 0, 0, 14)
    assert UploadPart.objects.count() == 0
    assert (
        "not running"
        in import_pages.client.post(f"{URL}{row.pk}/cancel/", follow=True).content.decode()
    )


def test_a_running_worker_stops_after_cancel(import_pages):
    row = import_pages.start(FILE)
    run = runner.lease(now=timezone.now())
    with runner.Worker(run) as worker:
        worker.write_chunk(now=timezone.now())
        lifecycle.cancel(row)
        assert worker.write_chunk(now=timezone.now()) is False
    assert counts(row) == ("cancelled", 7, 7, 0, 0, 7)
    assert Profile.objects.count() == 7


def test_two_imports_take_turns(import_pages, monkeypatch):
    monkeypatch.setattr(runner, "TURN_SECONDS", 0)
    first, second = import_pages.start(FILE), import_pages.start(FILE.replace("c-", "d-"))
    run = runner.lease(now=timezone.now())
    assert runner.lease(now=timezone.now()) is None
    runner.turn(run)
    runner.release(run)
    assert [counts(first)[1], counts(second)[1]] == [7, 0]
    run_imports()
    assert counts(first) == counts(second) == ("done", N, 40, 8, 2, 40)


def test_an_import_posted_twice_starts_once(import_pages):
    url = import_pages.upload_url(FILE)
    form = import_pages.form(url) | {"start": "1"}
    import_pages.client.post(url, form)
    run_imports()
    answer = import_pages.client.post(url, form, follow=True)
    assert "started already" in answer.content.decode()
    assert counts(Import.objects.get())[1] == N


def test_an_import_fails_after_too_many_tries(import_pages):
    row = import_pages.start(FILE)
    Import.objects.update(n_tries=runner.MOST_TRIES)
    run_imports()
    assert counts(row)[0] == "failed"
    assert "several times" in import_pages.client.get(f"{URL}{row.pk}/").content.decode()


def test_an_import_without_its_file_fails_with_a_message(import_pages):
    row = import_pages.start(FILE)
    UploadPart.objects.all().delete()
    run_imports()
    assert counts(row) == ("failed", 0, 0, 0, 0, 0)
    assert "no longer there" in import_pages.client.get(f"{URL}{row.pk}/").content.decode()


def test_rows_beyond_the_limit_are_not_imported(import_pages, monkeypatch):
    monkeypatch.setattr(runner, "MOST_ROWS", 10)
    row = import_pages.run_to_end(FILE)
    assert counts(row) == ("done", 10, 10, 0, 0, 10)
    assert (
        "more rows than an import may have"
        in import_pages.client.get(f"{URL}{row.pk}/").content.decode()
    )


def test_exactly_the_limit_of_rows_is_imported_without_a_warning(import_pages, monkeypatch):
    monkeypatch.setattr(runner, "MOST_ROWS", N)
    assert import_pages.run_to_end(FILE).trouble == ""


SQLITE_TRIGGER = """
CREATE TRIGGER poison BEFORE INSERT ON people_profile WHEN NEW.external_id = 'c-4'
BEGIN SELECT RAISE(ABORT, 'poison'); END"""
POSTGRESQL_TRIGGER = """
CREATE FUNCTION poison() RETURNS trigger AS $$ BEGIN IF NEW.external_id = 'c-4' THEN
RAISE 'poison' USING ERRCODE = '22000'; END IF; RETURN NEW; END $$ LANGUAGE plpgsql;
CREATE TRIGGER poison BEFORE INSERT ON people_profile FOR EACH ROW EXECUTE FUNCTION poison()"""


def test_a_row_refused_by_the_database_is_rejected_alone(import_pages):
    row = import_pages.start(
        "external_id,email\n" + "".join(f"c-{n},p{n}@example.org\n" for n in range(20))
    )
    with connection.cursor() as cursor:
        cursor.execute(SQLITE_TRIGGER if connection.vendor == "sqlite" else POSTGRESQL_TRIGGER)
    run_imports()
    assert counts(row) == ("done", 20, 19, 0, 1, 19)
    assert import_pages.rejects(row)[1].startswith('"6","The row could not be stored."')


def test_discarded_and_abandoned_uploads_are_deleted(import_pages, time_machine):
    url = import_pages.upload_url(FILE)
    assert import_pages.client.post(f"{url}discard/").status_code == 302
    assert Import.objects.count() == UploadPart.objects.count() == 0
    import_pages.upload_url(FILE)
    with open(__file__, "rb") as file:
        uploads.store(file)  # the web process dies here
    lifecycle.tidy()
    assert UploadPart.objects.count() == 2
    time_machine.move_to(timezone.now() + timedelta(hours=1))
    lifecycle.tidy()
    assert UploadPart.objects.count() == 1
    time_machine.move_to(timezone.now() + timedelta(days=1))
    lifecycle.tidy()
    assert Import.objects.count() == UploadPart.objects.count() == 0


def test_rejects_and_members_are_kept_for_a_limited_time(import_pages, time_machine):
    plain, with_segment = (
        import_pages.run_to_end(FILE),
        import_pages.run_to_end(FILE, segment_name="Ours"),
    )
    time_machine.move_to(timezone.now() + timedelta(days=8))
    lifecycle.tidy()
    assert RejectPart.objects.count() == 0
    page = import_pages.client.get(f"{URL}{plain.pk}/")
    assert page.status_code in {200, 302}
    time_machine.move_to(timezone.now() + timedelta(days=31))
    lifecycle.tidy()
    assert set(ImportMember.objects.values_list("run", flat=True)) == {with_segment.pk}
    assert Segment.objects.count() == 1


def test_two_segments_of_an_import_at_once_become_one(import_pages, bob):
    row = import_pages.start(FILE)
    lifecycle.make_segment(row, "First", by=bob)
    with pytest.raises(lifecycle.WrongState):
        lifecycle.make_segment(row, "Second", by=bob)
    assert Segment.objects.get().name == "First"
    row.refresh_from_db()
    assert row.segment.name == "First"


def test_a_file_discarded_amid_a_check_is_no_error(import_pages, monkeypatch):
    url, preview = import_pages.upload_url(FILE), lifecycle.preview

    def discarded_meanwhile(run, layout):
        assert lifecycle.discard(run)
        return preview(run, layout)

    monkeypatch.setattr(lifecycle, "preview", discarded_meanwhile)
    answer = import_pages.client.get(url, follow=True)
    assert "The file is no longer there" in answer.content.decode()
