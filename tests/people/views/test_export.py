"""Export people as CSV: roles, columns, no formulas, and a lossless import of the file."""

import csv
import io
import tracemalloc

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.core import csv_files
from audiencesync.groups.models import Activity
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.imports import Import
from audiencesync.people.views import csv_export
from tests.support.import_pages import run_imports

EXPORT_ALL = "/g/acme/people/profiles/export/"
FORMULAS = ["=1+1", "+1", "-1", "@x", "'=1", "''+x", "'quoted'", 'a "b", c', "two\nlines", "ünï"]


def table(answer):
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def germans(acme):
    chosen = {"all": [{"field": "country", "op": "is", "value": "DE"}]}
    return Segment.objects.create(app_group=acme, name="Germans", filter=chosen)


def test_a_marketer_exports_all_people(bob, signed_in, make_profile, acme, other_group):
    one = make_profile(
        email="a@example.org",
        gaid="x",
        ads_consent=False,
        attributes={"vip": True, "n": 2.5, "l": [1]},
    )
    make_profile(app_group=other_group, external_id="theirs")
    make_profile(external_id=None, attributes={"vip": False})
    answer = signed_in(bob).post(EXPORT_ALL)
    rows = table(answer)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert ",".join(rows[0]) == (
        "braze_id,external_id,email,phone,idfa,google_ad_id,ad_tracking_enabled,ads_consent,"
        "country,language,created_at,l,n,vip"
    )
    assert [row["external_id"] for row in rows] == [one.external_id, ""]
    assert [row["vip"] for row in rows] == ["true", "false"]
    first = rows[0]
    assert (first["email"], first["google_ad_id"], first["ads_consent"]) == (
        "a@example.org",
        "x",
        "false",
    )
    assert (first["braze_id"], first["n"], first["l"]) == (one.braze_id, "2.5", "[1]")
    line = Activity.objects.get()
    assert (line.actor, line.verb, line.subject, line.app_group) == (
        bob,
        "exported",
        "Everybody",
        acme,
    )


def test_a_segment_exports_its_members(bob, signed_in, make_profile, germans):
    make_profile(country="DE")
    make_profile(country="FR")
    rows = table(signed_in(bob).post(f"/g/acme/people/segments/{germans.pk}/export/"))
    assert [row["country"] for row in rows] == ["DE"]
    assert Activity.objects.get().subject == "Germans"


def test_viewers_have_no_export(vera, bob, signed_in, make_profile, germans):
    make_profile(country="DE")
    for page, address in (
        ("/g/acme/people/profiles/", EXPORT_ALL),
        (f"/g/acme/people/segments/{germans.pk}/", f"/g/acme/people/segments/{germans.pk}/export/"),
    ):
        assert address in signed_in(bob).get(page).content.decode()
        assert address not in signed_in(vera).get(page).content.decode()
        assert signed_in(vera).post(address).status_code == 403
        assert signed_in(bob).get(address).status_code == 405
    assert not Activity.objects.filter(verb="exported").exists()


def test_no_cell_is_a_formula_and_the_file_can_be_imported(acme, bob, signed_in, make_profile):
    for place, text in enumerate(FORMULAS):
        make_profile(
            external_id=f"{text}{place}",
            attributes={"note": text, "=sum": "x"},
            phone="+4915112345678",
        )
    before = sorted(Profile.objects.values_list("external_id", "attributes", "phone"), key=str)
    file = b"".join(signed_in(bob).post(EXPORT_ALL).streaming_content)
    cells = [cell for row in csv.reader(io.StringIO(file.decode("utf-8-sig"))) for cell in row]
    assert [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")] == []
    Profile.objects.all().delete()
    client, url = signed_in(bob), "/g/acme/people/imports/"
    page = client.post(f"{url}new/", {"file": SimpleUploadedFile("people.csv", file)})["Location"]
    context = client.get(page).context
    values = {name: context["form"][name].value() or "" for name in context["form"].fields}
    layout = {name: context["layout_form"][name].value() for name in context["layout_form"].fields}
    assert client.post(page, values | layout | {"start": "1"}).status_code == 302
    run_imports()
    run = Import.objects.get()
    assert (run.state, run.n_created, run.n_rejected) == ("done", len(FORMULAS), 0)
    after = sorted(Profile.objects.values_list("external_id", "attributes", "phone"), key=str)
    assert [(key, attributes["note"], phone) for key, attributes, phone in after] == [
        (key, attributes["note"], phone) for key, attributes, phone in before
    ]
    assert "braze_id" not in after[0][1]
    assert "created_at" not in after[0][1]


def test_attributes_beyond_the_columns_share_the_last_column(acme, make_profile):
    make_profile(attributes={f"a{n:03}": n for n in range(csv_export.MOST_NAMES + 2)})
    head, row = csv_export.rows(Profile.objects.filter(app_group=acme))
    assert len(head) == len(row)
    assert (head[-1], row[-1]) == ("more_attributes", '{"a086": 86, "a087": 87}')


def test_attributes_that_are_no_object_are_skipped(acme, make_profile):
    make_profile(attributes=[1, 2])
    assert len(list(csv_export.rows(Profile.objects.filter(app_group=acme)))) == 2


def make_people(app_group, n):
    """Create n people with one statement of the database."""
    numbers = "WITH RECURSIVE t(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM t WHERE i < %s)"
    empty = "'', '', '', '', ''"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""INSERT INTO people_profile (app_group_id, external_id, email, phone, idfa, gaid,
                country, language, attributes, invalid_kinds, rule_version, created_at, updated_at)
            {numbers} SELECT %s, 'p' || i, 'p' || i || '@example.org', {empty},
                '{{"plan": "gold"}}', 0, 1, '2026-01-01', '2026-01-01' FROM t""",
            [n, app_group.pk],
        )


def peak_memory(people):
    """Return the peak memory of an export of these people, in bytes, and its number of lines."""
    tracemalloc.start()
    n_lines = sum(part.count(b"\n") for part in csv_files.stream(csv_export.rows(people)))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak_bytes, n_lines


@pytest.mark.slow
def test_an_export_needs_constant_memory(acme, other_group):
    make_people(acme, 5_000)
    make_people(other_group, 50_000)
    few, _lines = peak_memory(Profile.objects.filter(app_group=acme))
    many, n_lines = peak_memory(Profile.objects.filter(app_group=other_group))
    assert n_lines == 50_001
    assert many < 1.2 * few < 20 * 1024 * 1024


def test_an_export_reads_in_chunks(acme):
    make_people(acme, 2 * csv_export.CHUNK + 1)
    with CaptureQueriesContext(connection) as queries:
        lines = list(csv_export.rows(Profile.objects.filter(app_group=acme)))
        assert len(lines) == 2 * csv_export.CHUNK + 2
    assert len(queries) == 1 + 3 + 1
