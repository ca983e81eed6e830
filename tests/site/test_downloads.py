"""Each CSV file that is downloaded is an activity of the group whose data it holds."""

from pathlib import Path

import pytest

from audiencesync.core import csv_files
from audiencesync.groups.models import Activity

ROOT = Path(csv_files.__file__).parents[2]
# The door of all downloads, and an example file without data.
DOORS = {"audiencesync/groups/exports.py": 1, "audiencesync/people/imports/views.py": 1}
EVERY = [
    ("post", "people/profiles/export/", "Everybody", "people"),
    ("post", "people/segments/{segment_id}/export/", "All", "segment"),
    ("post", "people/imports/{import_id}/rejects/", "people.csv", "import"),
    ("post", "canvases/{canvas_id}/people/export/", "Welcome", "people"),
    ("post", "canvases/{canvas_id}/steps/{step_id}/people/export/", "Welcome", "people"),
    ("get", "canvases/{canvas_id}/numbers/?format=csv", "Welcome", "canvas"),
    ("get", "canvases/{canvas_id}/numbers/?format=csv&rows=time", "Welcome", "canvas"),
    ("get", "canvases/{canvas_id}/steps/{step_id}/numbers/?format=csv", "Welcome", "canvas"),
    ("get", "analytics/?format=csv", "Analytics", "group"),
    ("get", "/analytics/?format=csv", "Analytics", "group"),
    ("post", "activity/", "Activity", "group"),
]


def test_no_other_module_makes_a_download():
    found = {}
    for path in ROOT.rglob("*.py"):
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(("audiencesync/", "canvases/", "partners/")):
            n = path.read_text().count("csv_files.download(")
            found |= {name: n} if n else {}
    assert found == DOORS


@pytest.mark.parametrize(("method", "url", "subject", "kind"), EVERY)
def test_a_download_is_an_activity(admin, things, acme, alice, method, url, subject, kind):
    alice.is_staff = True
    alice.save()
    Activity.log(acme, alice, "changed", "Welcome", kind="canvas")
    address = url.format(**things)
    address = address if address.startswith("/") else f"/g/acme/{address}"

    answer = getattr(admin, method)(address, {"format": "csv"} if method == "post" else None)

    assert answer.getvalue().startswith(csv_files.BOM)
    [line] = Activity.objects.filter(verb="exported")
    assert (line.app_group, line.actor, line.kind) == (acme, alice, kind)
    assert line.subject == subject
