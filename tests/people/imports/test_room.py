"""Uploads find room or are refused before a byte is stored; groups take turns, however many imports one of them has."""

import shutil
import tempfile
from types import SimpleNamespace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from audiencesync.people.imports import life, running, uploads
from audiencesync.people.models import Segment
from audiencesync.people.models.imports import Import, ImportMember, UploadPart
from tests.support.import_pages import URL

FILE = b"external_id\nc-1\n"


@pytest.fixture
def opened(monkeypatch):
    """The temporary files that uploads opened."""
    files, real = [], tempfile.TemporaryFile
    monkeypatch.setattr(
        uploads.tempfile, "TemporaryFile", lambda **told: files.append(1) or real(**told)
    )
    return files


@pytest.mark.parametrize(("who", "status"), [("vera", 403), ("charlie", 404)])
def test_a_file_of_who_may_not_import_is_never_stored(request, signed_in, opened, who, status):
    client = signed_in(request.getfixturevalue(who))
    assert (
        client.post(f"{URL}new/", {"file": SimpleUploadedFile("x.csv", FILE)}).status_code == status
    )
    assert opened == []


def test_a_group_has_only_so_many_files_waiting(imports, other_group, opened, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_WAITING", 2)
    for _ in range(2):
        Import.objects.create(app_group=other_group, size=1)
        imports.uploaded(FILE)
    answer = imports.upload(FILE)
    assert answer.status_code == 422
    assert "Too many files wait" in answer.content.decode()
    assert (
        Import.objects.filter(app_group__slug="acme").count(),
        UploadPart.objects.count(),
        len(opened),
    ) == (2, 2, 2)
    life.discard(Import.objects.filter(app_group__slug="acme").first())
    assert imports.upload(FILE).status_code == 302


def test_a_group_has_only_so_many_bytes_waiting(imports, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_WAITING_BYTES", 1000)
    imports.uploaded(FILE)
    assert imports.upload(b"external_id\n" + b"c\n" * 500).status_code == 422
    assert Import.objects.count() == 1


def test_of_files_that_come_at_once_only_as_many_stay_as_may_wait(imports, acme, monkeypatch):
    """The other one is there before this one is stored."""
    monkeypatch.setattr(uploads, "MOST_WAITING", 1)
    real = uploads.store
    monkeypatch.setattr(
        uploads, "store", lambda file: Import.objects.create(app_group=acme, size=1) and real(file)
    )
    assert imports.upload(FILE).status_code == 422
    assert (Import.objects.count(), UploadPart.objects.count()) == (1, 0)


def test_a_full_disk_is_said(imports, opened, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=100))
    answer = imports.upload(FILE)
    assert answer.status_code == 422
    assert "no room for this file" in answer.content.decode()
    assert opened == []


def test_groups_take_turns_whatever_the_number_of_their_imports(acme, other_group, monkeypatch):
    """Fifty small imports of one group, which each end at once, and a long one of another."""
    monkeypatch.setattr(running, "PAUSE", running.PAUSE * 0)
    for _ in range(6):
        Import.objects.create(app_group=acme, size=1, state="running")
    Import.objects.create(app_group=other_group, size=1, state="running")
    order = []
    for turn in range(6):
        run = running.lease(now=timezone.now())
        order.append(run.app_group.slug)
        if run.app_group == acme and turn:
            running.end(run, Import.State.DONE)
        running.let_go(run)
    assert order == ["acme", "umbrella"] * 3


def test_a_segment_of_another_group_keeps_no_members(
    imports, acme, other_group, make_profile, time_machine
):
    run = imports.run(FILE)
    chosen = {"all": [{"field": "import", "op": "in", "value": [str(run.pk)]}]}
    Segment.objects.create(app_group=other_group, name="All of them", filter=chosen)
    time_machine.move_to(timezone.now() + timezone.timedelta(days=400))
    life.tidy()
    assert ImportMember.objects.count() == 0
