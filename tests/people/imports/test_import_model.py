"""Random files give the same profiles as a plain model of the import rules."""

import csv
import io
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.groups.models import AppGroup
from audiencesync.people.identifiers import normalise
from audiencesync.people.imports import runner, uploads
from audiencesync.people.imports.csv_reader import Layout
from audiencesync.people.imports.mapping import Column, Plan
from audiencesync.people.models import KINDS, PastIdentifier, Profile
from audiencesync.people.models.imports import Import, ImportMember
from tests.support.import_pages import run_imports
from tests.support.profiles import stored_hashes

pytestmark = pytest.mark.thorough

TARGETS = ["external_id", "email", "phone", "gaid", "ads_consent", "country", "text", "number"]
COLUMNS = tuple(Column(target, target, f"a {target}") for target in TARGETS)
EMAILS = ["", "a@example.org", "A@Example.org", "b@example.org", "rubbish"]
ROW = st.tuples(
    st.sampled_from(["", "1", "2", "3", "ä\\"]),
    st.sampled_from(EMAILS),
    st.sampled_from(["", "+4915112345678", "0151 12345678", "12"]),
    st.sampled_from(["", "38400000-8cf0-11bd-b23e-10b96e40000d", "x"]),
    st.sampled_from(["", "true", "false", "perhaps"]),
    st.sampled_from(["", "DE", "at"]),
    st.sampled_from(["", "tab\tinside", 'back\\slash "quoted"', "two\nlines"]),
    st.sampled_from(["", "1", "2.5", "x"]),
)
ORDER = itertools.count()


def file_of(rows):
    text = io.StringIO()
    csv.writer(text).writerows([TARGETS, *rows])
    return text.getvalue().encode()


def imported(group, rows, key):
    data = file_of(rows)
    run = Import(app_group=group, file_name="x.csv", size=len(data))
    uploads.save_import(run, io.BytesIO(data))
    Import.objects.filter(pk=run.pk).update(
        state="running", plan=Plan(Layout(), COLUMNS, key).as_json()
    )
    run_imports()
    run.refresh_from_db()
    return run


def key_of(row, key):
    if key == "external_id":
        return row[0] or None
    return normalise.normalise(key, row[TARGETS.index(key)], region="DE").sha256


def apply_model(people, past, rows, key):
    """Fold the rows into ``people``; return the counts created, updated, rejected and people."""
    created, updated, rejected, named = 0, 0, 0, set()
    for row in rows:
        if not any(row):
            continue
        name = key_of(row, key)
        if name is None or row[4] == "perhaps":
            rejected += 1
            continue
        created, updated = created + (name not in people), updated + (name in people)
        named.add(name)
        person = people.setdefault(name, {"external_id": row[0] if key == "external_id" else None})
        cells = {target: cell for target, cell in zip(TARGETS[1:], row[1:], strict=True) if cell}
        if cells.get("number") == "x":
            del cells["number"]
        for kind in set(KINDS) & set(cells):
            old = person.get(kind) and normalise.normalise(kind, person[kind], region="DE").sha256
            new = normalise.normalise(kind, cells[kind], region="DE").sha256
            if old and not new:
                del cells[kind]  # an unusable value does not replace a usable one
            elif old and old != new:
                past.add((kind, old))
        person |= cells
    return created, updated, rejected, len(named)


def shown(profile):
    columns = {name: getattr(profile, name) for name in ("external_id", *KINDS, "country")}
    return columns | {
        "consent": profile.ads_consent,
        "attributes": profile.attributes,
        "hashes": stored_hashes(profile),
    }


def expected(person):
    raw = {kind: person.get(kind, "") for kind in KINDS}
    names = {"text": "a text", "number": "a number"}
    values = {names[name]: person[name] for name in names if name in person}
    if "a number" in values:
        values["a number"] = float(values["a number"])
    return {
        "external_id": person["external_id"],
        **raw,
        "country": person.get("country", "").upper(),
        "consent": {"true": True, "false": False}.get(person.get("ads_consent")),
        "attributes": values,
        "hashes": next(normalise.hash_rows([tuple(raw.values())], region="DE")),
    }


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["external_id", "email", "phone"])
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(first=st.lists(ROW, max_size=7), second=st.lists(ROW, max_size=7), chunk=st.integers(1, 4))
def test_imported_profiles_match_the_model(monkeypatch, key, first, second, chunk):
    monkeypatch.setattr(runner, "CHUNK", chunk)
    group = AppGroup.objects.create(name="x", slug=f"x-{next(ORDER)}", phone_region="DE")
    people, past = {}, set()
    for rows in (first, second):
        run = imported(group, rows, key)
        counts = (run.n_created, run.n_updated, run.n_rejected, run.n_people)
        assert (run.state, *counts) == ("done", *apply_model(people, past, rows, key))
        assert ImportMember.objects.filter(run=run).count() == run.n_people
    stored = Profile.objects.filter(app_group=group)
    assert sorted(map(shown, stored), key=repr) == sorted(map(expected, people.values()), key=repr)
    if chunk == 1:  # otherwise a chunk may overwrite a value before it is stored
        kept = PastIdentifier.objects.filter(profile__app_group=group).values_list("kind", "sha256")
        assert {(kind, bytes(digest)) for kind, digest in kept} == past
