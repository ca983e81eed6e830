"""Erase profiles while an import brings them again: none comes back, and the counts are exact."""

import threading

import pytest
from django.db import connection
from django.utils import timezone

from audiencesync.people.imports import runner
from audiencesync.people.models import ErasedName, Profile
from audiencesync.people.privacy import erasure_ledger
from canvases.privacy import erase as privacy
from tests.support.import_pages import run_imports

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
N_ROWS, N_ERASED = 600, 200


def erase(acme, errors, ids):
    """Erase one profile after the other, as calls of the API do."""
    try:
        for pk in ids:
            privacy.erase(acme, [pk], asked_by="a call", now=timezone.now())
    except Exception as error:  # noqa: BLE001 - the test asserts on every error of the thread
        errors.append(error)
    finally:
        connection.close()


@pytest.mark.parametrize("key", ["external_id", "email"])
def test_a_profile_erased_during_an_import_does_not_come_back(import_pages, acme, monkeypatch, key):
    monkeypatch.setattr(runner, "CHUNK", 20)
    file = "external_id,email\n" + "".join(f"c-{n},p{n}@example.org\n" for n in range(N_ROWS))
    import_pages.run_to_end(file)
    more = file + "".join(f"d-{n},q{n}@example.org\n" for n in range(N_ERASED))
    row, errors = (
        import_pages.start(more, key=key, target_0="external_id" if key == "external_id" else ""),
        [],
    )
    ids = list(Profile.objects.order_by("-pk").values_list("pk", flat=True))[:N_ERASED]
    thread = threading.Thread(target=erase, args=(acme, errors, ids))
    thread.start()
    run_imports()
    thread.join(120)
    assert errors == []
    row.refresh_from_db()
    assert (row.state, row.n_rows) == ("done", N_ROWS + N_ERASED)
    assert row.n_created + row.n_updated + row.n_rejected == row.n_rows
    assert row.n_created == N_ERASED
    assert ErasedName.objects.filter(app_group=acme).count() == 2 * N_ERASED
    names = {name for _pk, name in erasure_ledger.names_of(acme, list(Profile.objects.all()))}
    assert not names & {
        (kind, bytes(value)) for kind, value in ErasedName.objects.values_list("kind", "digest")
    }
    assert Profile.objects.count() == N_ROWS
