"""Check roles, tenants, spreadsheet formulas, erased people and logs of imports."""

import csv
import io
import logging

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Profile, Segment, Withdrawal
from audiencesync.people.models.imports import Import, UploadPart
from audiencesync.people.privacy import consent, erasure_ledger
from tests.support.import_pages import URL, run_imports

pytestmark = pytest.mark.thorough

FILE = "external_id,email\nc-1,anna@example.org\n"
PAGES = ["", "new/", "template/"]
ACTIONS = ["cancel/", "discard/", "segment/", "rejects/"]


@pytest.fixture
def uploaded(import_pages):
    """Return an import that waits for its mapping."""
    import_pages.upload_url(FILE)
    return Import.objects.get()


def test_viewers_are_refused(uploaded, vera, signed_in):
    client = signed_in(vera)
    for page in [*PAGES, f"{uploaded.pk}/"]:
        assert client.get(URL + page).status_code == 403
    for action in ["new/", f"{uploaded.pk}/", *(f"{uploaded.pk}/{action}" for action in ACTIONS)]:
        assert client.post(URL + action).status_code == 403
    uploaded.refresh_from_db()
    assert uploaded.state == "uploaded"


def test_other_groups_get_404(uploaded, charlie, signed_in):
    client = signed_in(charlie)
    for base in (URL, URL.replace("acme", "umbrella")):
        assert client.get(f"{base}{uploaded.pk}/").status_code == 404
        assert {client.post(f"{base}{uploaded.pk}/{action}").status_code for action in ACTIONS} == {
            404
        }


def test_a_segment_on_an_import_of_another_group_is_empty(
    import_pages, other_group, charlie, signed_in
):
    row = import_pages.run_to_end(FILE)
    chosen = {"all": [{"field": "import", "op": "is", "value": str(row.pk)}]}
    theirs = Segment.objects.create(app_group=other_group, name="Theirs", filter=chosen)
    page = signed_in(charlie).get(f"/g/umbrella/people/segments/{theirs.pk}/")
    assert page.context["coverage"].total == 0


def test_other_pages_take_no_files(bob, signed_in):
    # A file sent to another page is neither stored nor read into memory.
    for address in (
        "/accounts/login/",
        "/g/acme/people/segments/new/",
        "/g/acme/people/imports/template/",
    ):
        answer = signed_in(bob).post(address, {"file": io.BytesIO(b"x" * 100)})
        assert not answer.wsgi_request.FILES


def test_a_rejects_file_is_safe_in_a_spreadsheet_and_can_be_imported(import_pages):
    cells = ["=1+1", "+49 151", "-x", "@x", "\tx", "\rx", 'say "hi"', "plain"]
    body = io.StringIO()
    csv.writer(body).writerows(
        [["external_id", "note"], *([f"c-{n}", cell] for n, cell in enumerate(cells))]
    )
    text = body.getvalue()
    # These cells are valid external ids: the second column is the id, the first is left out.
    row = import_pages.run_to_end(
        text, target_0="", target_1="external_id", key="external_id", name_1="note"
    )
    assert row.n_rejected == 0
    row = import_pages.run_to_end(
        text.replace("c-", ""), target_0="external_id", target_1="number", name_1="note"
    )
    lines = import_pages.rejects(row)
    rows = list(csv.reader(io.StringIO("\r\n".join(lines), newline="")))
    assert rows[0] == ["rejected_line", "rejected_reason", "external_id", "note"]
    assert [cell[3] for cell in rows[1:]] == [*(f"'{cell}" for cell in cells[:6]), *cells[6:]]
    assert all(line.startswith('"') for line in lines)
    back = import_pages.run_to_end(
        "\r\n".join(lines), name_3="note", target_3="text", target_2="external_id"
    )
    assert (back.n_rejected, back.n_updated + back.n_created) == (0, 8)
    notes = {
        profile.external_id: profile.attributes.get("note")
        for profile in Profile.objects.filter(external_id__in=list("01234567"))
    }
    assert notes == {str(n): cell.strip() for n, cell in enumerate(cells)}


def test_only_hashes_are_stored_in_a_hash_only_group(import_pages, acme, make_profile):
    make_profile(external_id="c-2", email="bert@example.org")
    acme.hash_only = True
    acme.save()
    row = import_pages.run_to_end(
        "external_id,email\nc-1,Anna@Example.org\nc-2,bert@new.example.org\n,secret@example.org\n"
    )
    assert (row.n_created, row.n_updated, row.n_rejected) == (1, 1, 1)
    assert set(Profile.objects.values_list("email", flat=True)) == {""}
    assert not Profile.objects.filter(email_sha256=None).exists()
    assert "secret" not in "".join(import_pages.rejects(row))
    # The uploaded file had the addresses in clear: it is deleted at the end.
    assert UploadPart.objects.count() == 0


@pytest.mark.parametrize("kind", ["external_id", "email"])
def test_erased_people_do_not_come_back(import_pages, acme, make_profile, kind):
    erased = make_profile(external_id="c-2", email="bert@example.org")
    # A name in the ledger is (kind, digest).
    names = [name for _pk, name in erasure_ledger.names_of(acme, [erased]) if name[0] == kind]
    erasure_ledger.write(acme, names, erasure=None, now=timezone.now())
    erased.delete()
    file = "external_id,email\nc-1,anna@example.org\nc-2,Bert@Example.org\nc-3,\n"
    checked = import_pages.post(import_pages.upload_url(file), "check").context["checked"]
    assert [(problem.line, problem.reason) for problem in checked.problems] == [(3, "erased")]
    row = import_pages.run_to_end(file)
    assert (row.n_created, row.n_rejected) == (2, 1)
    # Line and reason alone: cells of an erased person are not stored again.
    _header, line = import_pages.rejects(row)
    (cells,) = csv.reader([line])
    assert cells == ["3", "This person was erased and must not come back."]


def test_chunks_without_an_erased_person_take_the_fast_path(import_pages, acme):
    name = ("external_id", erasure_ledger.digest(acme, "external_id", b"c-2"))
    erasure_ledger.write(acme, [name], erasure=None, now=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        row = import_pages.run_to_end("external_id,email\nc-1,anna@example.org\nc-3,\n")
    assert row.n_created == 2
    # The fast path, on PostgreSQL alone, copies a chunk into a table.
    is_copied = any("FROM import_rows" in query["sql"] for query in queries)
    assert is_copied == (connection.vendor == "postgresql")


def test_a_withdrawn_consent_is_recorded(import_pages, make_profile):
    for n, was in enumerate([True, None, False]):
        make_profile(external_id=f"c-{n}", ads_consent=was)
    import_pages.run_to_end("external_id,consent\n" + "".join(f"c-{n},false\n" for n in range(4)))
    assert sorted(Withdrawal.objects.values_list("profile__external_id", flat=True)) == [
        "c-0",
        "c-1",
    ]


def test_the_consent_attribute_sets_consent_in_an_import(import_pages, acme):
    acme.consent_attribute = "newsletter"
    acme.save()
    # "truth": an attribute that is true or false.
    import_pages.run_to_end("external_id,newsletter\nc-1,yes\nc-2,no\nc-3,\n", target_1="truth")
    consents = dict(Profile.objects.values_list("external_id", "ads_consent"))
    assert consents == {
        profile.external_id: consent.from_attribute(acme, profile.attributes)
        for profile in Profile.objects.all()
    }
    assert consents["c-2"] is False


def test_no_personal_data_is_logged(import_pages, caplog):
    caplog.set_level(logging.DEBUG, "audiencesync")
    row = import_pages.run_to_end('external_id,email\nsecret-1,secret@example.org\n,"secret\n')
    assert row.n_rejected == 1
    import_pages.rejects(row)
    # Run again without its file, the import fails: that is logged, too.
    UploadPart.objects.all().delete()
    Import.objects.update(state="running")
    run_imports()
    assert "Import" in caplog.text
    assert "secret" not in caplog.text
