"""A person erased during a call or an import does not come back."""

import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, UserAlias
from audiencesync.people.privacy import erasure_ledger
from audiencesync.people.writing.identify import Identity, NewAlias, add_aliases, identify
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase
from tests.support import profiles

EMAIL = "ann@example.org"
ALIAS = ("crm", "ann")
STATEMENTS = {
    "before_the_ledger_is_read": "erasedname",
    "before_profiles_are_read": r"SELECT (found\.)?external_id",
}


@pytest.fixture(autouse=True)
def _ledger(settings, tmp_path):
    settings.ERASURE_LEDGER = str(tmp_path / "erasures.jsonl")


@pytest.fixture
def ann(acme):
    row = Profile(app_group=acme, external_id="ann", email=EMAIL)
    profiles.set_hashes(row, region="DE")
    row.save()
    UserAlias.objects.create(app_group=acme, profile=row, label=ALIAS[0], name=ALIAS[1])
    return row


@pytest.fixture
def bert(acme):
    """An erased person, so that the ledger is in use."""
    row = Profile.objects.create(app_group=acme, external_id="bert")
    erase.erase(acme, [row.pk], asked_by="Alice", now=timezone.now())
    return row


@pytest.fixture(params=STATEMENTS.values(), ids=STATEMENTS)
def erased_during_the_call(request, acme, ann, bert):
    """Erase Ann right before the first statement of this kind in the wrapped call."""
    left = [ann.pk]

    def erase_first(execute, sql, params, many, context):
        if left and re.search(request.param, sql):
            erase.erase(acme, [left.pop()], asked_by="Alice", now=timezone.now())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(erase_first):
        yield
    assert not left
    assert not Profile.objects.filter(external_id="ann").exists()
    assert not UserAlias.objects.exists()


@pytest.mark.usefixtures("erased_during_the_call")
def test_an_upsert_of_the_erased_person_is_rejected(acme):
    done = upsert(acme, [Change(external_id="ann", fields={"country": "DE"})], now=timezone.now())
    assert set(done.problems) == {0}
    assert done.problems[0] in {"erased", "gone"}


@pytest.fixture
def anonymous(acme):
    return upsert(acme, [Change(email="visitor@example.org")], now=timezone.now()).profile_ids[0]


@pytest.mark.usefixtures("anonymous", "erased_during_the_call")
def test_no_profile_is_merged_into_the_erased_person(acme, anonymous):
    key = ("email", normalise.normalise("email", "visitor@example.org", region="DE").sha256)
    assert identify(acme, [Identity(key, "ann")], now=timezone.now()) in (["erased"], ["unknown"])
    assert Profile.objects.get(pk=anonymous).external_id is None


@pytest.mark.usefixtures("erased_during_the_call")
def test_the_alias_of_the_erased_person_is_not_assigned(acme):
    assert add_aliases(acme, [NewAlias(ALIAS, "ann")], now=timezone.now()) in (
        ["erased"],
        ["unknown"],
    )


def test_a_truncated_ledger_line_damages_no_other_line(acme, ann, settings):
    erase.erase(acme, [ann.pk], asked_by="Alice", now=timezone.now())
    with open(settings.ERASURE_LEDGER, "w") as out:
        out.write('{"group": 1, "ki')  # the disk was full
    n = erasure_ledger.append_to_file()
    (names,) = erasure_ledger.read(Path(settings.ERASURE_LEDGER)).values()
    assert len(names) == n == 3


def test_a_missing_ledger_is_a_clear_error(tmp_path):
    with pytest.raises(CommandError, match="There is no ledger"):
        call_command("erase_again", tmp_path / "nothing.jsonl")
