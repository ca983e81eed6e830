"""Two people edit the same settings: no one overwrites what the other one has changed."""

from django.db import connection
from django.utils import timezone

from audiencesync.groups.models import Activity, AppGroup
from audiencesync.groups.views import settings as view
from tests.site.forms import Forms

URL = "/g/acme/settings/"


def opened(client):
    """Return the fields of the page as a browser would send them."""
    page = client.get(URL).content.decode()
    return next(one["fields"] for one in Forms(page).found if "time_zone" in one["fields"])


def row():
    return AppGroup.objects.get(slug="acme")


def test_a_stale_page_changes_only_what_its_user_changed(signed_in, alice):
    client = signed_in(alice)
    stale = opened(client)
    now = opened(client) | {"consent_required": "on", "hash_only": "on", "name": "Acme Ltd"}
    client.post(URL, now | {"suppression_days": "30"})
    assert client.post(URL, stale | {"time_zone": "Europe/Berlin"}).status_code == 302
    acme = row()
    assert (acme.consent_required, acme.hash_only, acme.name) == (True, True, "Acme Ltd")
    assert (acme.suppression_days, acme.time_zone) == (30, "Europe/Berlin")
    assert len(Activity.objects.first().changes) == 1


def test_a_stale_page_keeps_what_another_person_switched_off(signed_in, alice, acme):
    AppGroup.objects.update(consent_required=True)
    client = signed_in(alice)
    stale = opened(client)
    AppGroup.objects.update(consent_required=False)
    client.post(URL, stale | {"name": "Acme Ltd"})
    assert (row().consent_required, row().name) == (False, "Acme Ltd")


def test_a_field_that_both_changed_is_asked_about(signed_in, alice):
    client = signed_in(alice)
    stale = opened(client) | {"phone_region": "FR", "name": "Mine"}
    AppGroup.objects.update(phone_region="IT", language="de")
    answer = client.post(URL, stale)
    assert answer.status_code == 422
    assert row().name == "Acme"
    page = answer.content.decode()
    assert "“IT (+39)” meanwhile" in page
    again = next(one["fields"] for one in Forms(page).found if "time_zone" in one["fields"])
    assert (again["phone_region"], again["language"]) == ("FR", "de")
    assert client.post(URL, again).status_code == 302
    assert (row().phone_region, row().name, row().language) == ("FR", "Mine", "de")


def test_a_page_with_unreadable_values_is_saved_as_it_is(signed_in, alice):
    client = signed_in(alice)
    deep = "[" * 100_000
    for seen in ("[1]", "{", deep, '{"name": 1, "suppression_days": "x"}'):
        assert client.post(URL, opened(client) | {"seen": seen, "name": "New"}).status_code == 302
    assert row().name == "New"


def test_saving_leaves_alone_what_others_write_at_the_same_time(signed_in, alice, monkeypatch):
    save, now = view._save, timezone.now()

    def archived_meanwhile(*args):
        AppGroup.objects.update(archived_at=now, deleting_at=now, rework_cursor=0)
        return save(*args)

    monkeypatch.setattr(view, "_save", archived_meanwhile)
    client = signed_in(alice)
    client.post(URL, opened(client) | {"name": "New"})
    acme = row()
    assert (acme.name, acme.archived_at, acme.deleting_at) == ("New", now, now)
    assert acme.rework_cursor == 0


def test_a_new_name_undoes_no_archiving(signed_in, acme, django_user_model):
    staff = django_user_model.objects.create_user(
        "staff@example.org", "correct horse", is_staff=True
    )
    client, table = signed_in(staff), AppGroup._meta.db_table

    def archive_first(execute, sql, params, many, context):
        if sql.startswith(f'UPDATE "{table}"'):
            execute(f'UPDATE "{table}" SET archived_at = CURRENT_TIMESTAMP', (), False, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(archive_first):
        client.post("/staff/groups/g/acme/", {"name": "Acme Ltd"})

    assert (row().name, row().archived_at is None) == ("Acme Ltd", False)
