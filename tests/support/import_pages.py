"""Files of people, uploaded by bob the marketer."""

import re
from dataclasses import dataclass

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from audiencesync.people.imports import running
from audiencesync.people.models.imports import Import

URL = "/g/acme/people/imports/"


@dataclass
class Imports:
    """Bob before his browser, and an engine that takes turns when told to."""

    client: Client

    def upload(self, data, name="people.csv"):
        """The answer to an upload."""
        data = data.encode() if isinstance(data, str) else data
        return self.client.post(f"{URL}new/", {"file": SimpleUploadedFile(name, data)})

    def uploaded(self, data, name="people.csv"):
        """The address of the import that an upload made."""
        answer = self.upload(data, name)
        assert answer.status_code == 302, answer.content.decode()
        return answer["Location"]

    def form(self, url, **choices):
        """The mapping form as the page fills it, with these layout choices."""
        page = self.client.get(url, choices)
        form, told = page.context["form"], page.context["layout_form"]
        values = {name: form[name].value() or "" for name in form.fields}
        return values | {name: told[name].value() for name in told.fields}

    def post(self, url, act="start", **changes):
        """The mapping form, sent with changes."""
        layout = {
            name: changes[name] for name in ("encoding", "delimiter", "header") if name in changes
        }
        if layout and len(layout) < 3:
            layout = {
                name: self.form(url)[name] for name in ("encoding", "delimiter", "header")
            } | layout
        return self.client.post(url, self.form(url, **layout) | changes | {act: "1"})

    def started(self, data, **changes):
        """An import that was uploaded and started; nothing ran yet."""
        url = self.uploaded(data)
        answer = self.post(url, **changes)
        assert answer.status_code == 302, re.findall(r"errorlist.*", answer.content.decode())
        return Import.objects.get(pk=int(url.split("/")[-2]))

    def run(self, data, **changes):
        """An import from upload to end."""
        row = self.started(data, **changes)
        turns()
        row.refresh_from_db()
        return row

    def rejects(self, row):
        """The lines of the file of rejected rows."""
        answer = self.client.get(f"{URL}{row.pk}/rejects/")
        return b"".join(answer.streaming_content).decode("utf-8-sig").split("\r\n")[:-1]


def turns():
    """The engine takes turns until no import is left."""
    while (run := running.lease(now=timezone.now())) is not None:
        running.turn(run)
        running.let_go(run)


@pytest.fixture
def imports(bob, signed_in):
    return Imports(signed_in(bob))
