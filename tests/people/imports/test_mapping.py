"""Validate the mapping form and convert cells to values."""

import re

import pytest

from audiencesync.people.models import Profile, UserAlias

pytestmark = pytest.mark.thorough

ROWS = "external_id,email,plan,points\nc-1,anna@example.org,gold,5\n"


def errors(answer):
    assert answer.status_code == 422
    return set(answer.context["form"].errors)


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"key": "phone"}, {"key", "target_0"}),
        ({"key": "email"}, {"target_0"}),
        ({"target_1": "external_id"}, {"target_1"}),
        ({"target_1": "alias"}, {"target_1"}),
        ({"target_2": "text", "name_2": "a" * 256}, {"name_2"}),
        ({"target_2": "text", "name_2": ""}, {"name_2"}),
        ({"target_2": "text", "name_2": "points"}, {"target_3"}),
        ({"target_2": "user__password"}, {"target_2"}),
        ({"key": "id"}, {"key"}),
        ({"key": "alias", "target_0": "alias"}, {"alias_label"}),
        ({"segment_name": "x" * 81}, {"segment_name"}),
    ],
)
def test_an_invalid_mapping_is_reported_beside_its_field(import_pages, changes, wrong):
    answer = import_pages.post(import_pages.upload_url(ROWS), **changes)
    assert errors(answer) == wrong
    assert Profile.objects.count() == 0


def test_the_first_of_two_columns_with_one_name_is_imported(import_pages):
    row = import_pages.run_to_end(
        "external_id,tag,tag,E-Mail,email\nc-1,a,b,x@example.org,y@example.org\n"
    )
    assert row.state == "done"
    assert Profile.objects.get().attributes == {"tag": "a"}
    assert Profile.objects.get().email == "x@example.org"


@pytest.mark.parametrize("n", [101, 4000])
def test_more_than_100_columns_are_refused_without_a_form(import_pages, n):
    url = import_pages.upload_url(",".join(["external_id", *(f"c{n}" for n in range(1, n))]) + "\n")
    page = import_pages.client.get(url)
    assert f"{n} columns" in page.content.decode()
    assert "form" not in page.context
    sent = {f"target_{place}": "text" for place in range(n)}
    form = {**page.context["layout"], "start": "1"} | dict([*sent.items()][:200])
    assert import_pages.client.post(url, form).status_code == 422


def test_a_taken_segment_name_is_refused(import_pages):
    import_pages.run_to_end(ROWS, segment_name="Ours")
    assert errors(import_pages.post(import_pages.upload_url(ROWS), segment_name="OURS")) == {
        "segment_name"
    }


@pytest.mark.parametrize(
    ("target", "cell", "value"),
    [
        ("number", "12.50", 12.5),
        ("number", "-3", -3),
        ("truth", "Ja", True),
        ("truth", "0", False),
        ("day", "2026-11-23", "2026-11-23"),
        ("day", "2026-11-23T10:00:00Z", "2026-11-23"),
        ("day", "2026-11-23 10:00", "2026-11-23"),
        ("day", "3.1.2026", "2026-01-03"),
        ("text", " a b ", "a b"),
        ("text", "'=1+1", "=1+1"),
        ("text", "'it's", "'it's"),
        ("text", "'+49", "+49"),
    ],
)
def test_a_cell_is_converted_to_the_type_of_its_column(import_pages, target, cell, value):
    import_pages.run_to_end(
        f"external_id,x\nc-1,{cell}\n", target_1=target, name_1="x", delimiter="comma", header="1"
    )
    assert Profile.objects.get().attributes == {"x": value}


@pytest.mark.parametrize(
    ("target", "cell"),
    [
        ("number", "1,234"),
        ("number", "infinity"),
        ("number", "1e5"),
        ("number", "007"),
        ("number", "+5"),
        ("number", "9" * 5000),
        ("number", "1" + " " * 60_000 + "x"),
        ("truth", "maybe"),
        ("day", "2026-13-01"),
        ("day", "soon"),
        ("day", "2026-11-23abc"),
        ("text", "x" * 5001),
        ("country", "Atlantis"),
        ("language", "x"),
        ("email", "x" * 321),
        ("phone", "1" * 65),
    ],
)
def test_a_cell_of_a_wrong_type_is_left_out_and_its_row_imported(import_pages, target, cell):
    data = f'external_id,x,city\nc-1,"{cell}",Köln\nc-2,,Ulm\n'
    row = import_pages.run_to_end(data, target_1=target, name_1="x", delimiter="comma")
    assert (row.n_created, row.n_rejected, row.problem_counts) == (2, 0, {"left_out": {"x": 1}})
    assert Profile.objects.get(external_id="c-1").attributes == {"city": "Köln"}
    _header, line = import_pages.rejects(row)
    assert line.startswith('"2","x: ')
    assert "The row is imported without it." in line
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/").content.decode()
    assert "Values that fitted nothing were left out" in page


@pytest.mark.parametrize("target", ["ads_consent", "ad_tracking_enabled"])
def test_an_unreadable_consent_answer_rejects_its_row(import_pages, target):
    # If only the cell were left out, a refusal would be lost.
    row = import_pages.run_to_end("external_id,x\nc-1,rather not\nc-2,nein\n", target_1=target)
    assert (row.n_created, row.n_rejected) == (1, 1)
    assert getattr(Profile.objects.get(), target) is False


def test_unusable_identifiers_are_counted_in_the_result(import_pages):
    data = "external_id,email,phone\nc-1,rubbish,12\nc-2,b@example.org,13\n"
    row = import_pages.run_to_end(data)
    assert (row.n_created, row.problem_counts) == (2, {"unusable": {"email": 1, "phone": 2}})
    assert [line.split(",")[:2] for line in import_pages.rejects(row)[1:]] == [
        [f'"{line}"', f'"{kind}: This cannot be used: it is stored and never sent."']
        for line, kind in ((2, "email"), (2, "phone"), (3, "phone"))
    ]
    page = import_pages.client.get(f"/g/acme/people/imports/{row.pk}/").content.decode()
    assert re.search(r"Phone <strong>\s*<a [^>]*number=unusable_phone\">2</a>", page)


@pytest.mark.parametrize("key", ["email", "phone"])
def test_the_newest_profile_with_the_hash_of_the_key_is_updated(import_pages, make_profile, key):
    given = {"email": "Anna@Example.org", "phone": "0151 12345678"}
    kept = {"email": "anna@example.org", "phone": "+4915112345678"}
    old, new = (make_profile(external_id=name, **{key: kept[key]}) for name in ("old", "new"))
    row = import_pages.run_to_end(f"{key},city\n{given[key]},Köln\nrubbish,Bonn\n")
    assert (row.n_created, row.n_updated, row.n_rejected) == (0, 1, 1)
    assert "holds no valid" in import_pages.rejects(row)[1]
    new.refresh_from_db()
    assert new.attributes == {"city": "Köln"}


def test_profiles_are_found_by_an_alias(import_pages, acme, make_profile):
    profile = make_profile()
    UserAlias.objects.create(app_group=acme, profile=profile, label="crm", name="7")
    row = import_pages.run_to_end(
        "alias,city\n7,Köln\n8,Bonn\n8,Berlin\n", key="alias", alias_label="crm"
    )
    assert (row.n_created, row.n_updated, row.n_people) == (1, 2, 2)
    new = UserAlias.objects.get(label="crm", name="8").profile
    assert (new.external_id, new.attributes) == (None, {"city": "Berlin"})
