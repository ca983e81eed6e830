"""Upload and import files of people as bob the marketer."""

import re
from dataclasses import dataclass

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from audiencesync.people.imports import runner
from audiencesync.people.models.imports import Import

URL = "/g/acme/people/imports/"


@dataclass
class ImportPages:
    """The import pages as bob uses them. Only `run_imports` writes the rows of a started import."""

    client: Client

    def upload(self, data, name="people.csv"):
        """Upload a file; return the response."""
        data = data.encode() if isinstance(data, str) else data
        return self.client.post(f"{URL}new/", {"file": SimpleUploadedFile(name, data)})

    def upload_url(self, data, name="people.csv"):
        """Upload a file; return the address of the new import."""
        answer = self.upload(data, name)
        assert answer.status_code == 302, answer.content.decode()
        return answer["Location"]

    def form(self, url, **choices):
        """Return the fields of the mapping page; ``choices`` set encoding, delimiter and header."""
        page = self.client.get(url, choices)
        form, layout = page.context["form"], page.context["layout_form"]
        values = {name: form[name].value() or "" for name in form.fields}
        return values | {name: layout[name].value() for name in layout.fields}

    def post(self, url, act="start", **changes):
        """Submit the mapping form with changed fields; ``act`` is the name of the button."""
        layout = {
            name: changes[name] for name in ("encoding", "delimiter", "header") if name in changes
        }
        if layout and len(layout) < 3:
            layout = {
                name: self.form(url)[name] for name in ("encoding", "delimiter", "header")
            } | layout
        return self.client.post(url, self.form(url, **layout) | changes | {act: "1"})

    def start(self, data, **changes):
        """Upload a file and start its import; return the import, before its first chunk."""
        url = self.upload_url(data)
        answer = self.post(url, **changes)
        assert answer.status_code == 302, re.findall(r"errorlist.*", answer.content.decode())
        return Import.objects.get(pk=int(url.split("/")[-2]))

    def run_to_end(self, data, **changes):
        """Upload a file and import it to the end; return the import."""
        row = self.start(data, **changes)
        run_imports()
        row.refresh_from_db()
        return row

    def rejects(self, row):
        """Return the lines of the file of rejected rows."""
        answer = self.client.post(f"{URL}{row.pk}/rejects/")
        return b"".join(answer.streaming_content).decode("utf-8-sig").split("\r\n")[:-1]


def run_imports():
    """Write chunks, as the engine does, until no import is running."""
    while (run := runner.lease(now=timezone.now())) is not None:
        runner.turn(run)
        runner.release(run)


@pytest.fixture
def import_pages(bob, signed_in):
    return ImportPages(signed_in(bob))
