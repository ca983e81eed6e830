"""Refuse an upload above a limit before it is stored; let groups take turns."""

import shutil
import tempfile
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from audiencesync.people.imports import lifecycle, runner, uploads
from audiencesync.people.models import Segment
from audiencesync.people.models.imports import Import, ImportMember, UploadPart
from tests.support.import_pages import URL

FILE = b"external_id\nc-1\n"


@pytest.fixture
def opened(monkeypatch):
    """Return a list that grows with every temporary file of an upload."""
    files, real = [], tempfile.TemporaryFile
    monkeypatch.setattr(
        uploads.tempfile, "TemporaryFile", lambda **options: files.append(1) or real(**options)
    )
    return files


@pytest.mark.parametrize(("name", "status"), [("vera", 403), ("charlie", 404)])
def test_a_file_of_a_user_without_the_role_is_not_stored(request, signed_in, opened, name, status):
    client = signed_in(request.getfixturevalue(name))
    assert (
        client.post(f"{URL}new/", {"file": SimpleUploadedFile("x.csv", FILE)}).status_code == status
    )
    assert opened == []


def test_a_group_may_have_a_limited_number_of_files_waiting(
    import_pages, other_group, opened, monkeypatch
):
    monkeypatch.setattr(uploads, "MOST_WAITING", 2)
    for _ in range(2):
        Import.objects.create(app_group=other_group, size=1)
        import_pages.upload_url(FILE)
    answer = import_pages.upload(FILE)
    assert answer.status_code == 422
    assert "Too many files wait" in answer.content.decode()
    assert (
        Import.objects.filter(app_group__slug="acme").count(),
        UploadPart.objects.count(),
        len(opened),
    ) == (2, 2, 2)
    lifecycle.discard(Import.objects.filter(app_group__slug="acme").first())
    assert import_pages.upload(FILE).status_code == 302


def test_a_group_may_have_a_limited_number_of_bytes_waiting(import_pages, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_WAITING_BYTES", 1000)
    import_pages.upload_url(FILE)
    assert import_pages.upload(b"external_id\n" + b"c\n" * 500).status_code == 422
    assert Import.objects.count() == 1


def test_simultaneous_uploads_do_not_exceed_the_limit(import_pages, acme, monkeypatch):
    # The other upload is stored just before this one.
    monkeypatch.setattr(uploads, "MOST_WAITING", 1)
    real = uploads.store
    monkeypatch.setattr(
        uploads, "store", lambda file: Import.objects.create(app_group=acme, size=1) and real(file)
    )
    assert import_pages.upload(FILE).status_code == 422
    assert (Import.objects.count(), UploadPart.objects.count()) == (1, 0)


def test_a_full_disk_is_reported(import_pages, opened, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100))
    answer = import_pages.upload(FILE)
    assert answer.status_code == 422
    assert "no room for this file" in answer.content.decode()
    assert opened == []


def test_groups_take_turns_regardless_of_their_number_of_imports(acme, other_group, monkeypatch):
    # One group has many small imports that end at once, the other has one long import.
    monkeypatch.setattr(runner, "PAUSE", runner.PAUSE * 0)
    for _ in range(6):
        Import.objects.create(app_group=acme, size=1, state="running")
    Import.objects.create(app_group=other_group, size=1, state="running")
    order = []
    for turn in range(6):
        run = runner.lease(now=timezone.now())
        order.append(run.app_group.slug)
        if run.app_group == acme and turn:
            runner.end(run, Import.State.DONE)
        runner.release(run)
    assert order == ["acme", "umbrella"] * 3


def test_members_are_not_kept_for_a_segment_of_another_group(
    import_pages, acme, other_group, make_profile, time_machine
):
    run = import_pages.run_to_end(FILE)
    condition = {"all": [{"field": "import", "op": "in", "value": [str(run.pk)]}]}
    Segment.objects.create(app_group=other_group, name="All of them", filter=condition)
    time_machine.move_to(timezone.now() + timezone.timedelta(days=400))
    lifecycle.tidy()
    assert ImportMember.objects.count() == 0
