"""Every table in the admin: its pages open, show no secret, and nothing can be written."""

import re

import pytest
from django.apps import apps
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

import audiencesync.urls  # noqa: F401 - registers the tables
from audiencesync.groups.operators.site import site
from tests.groups.operators.rows import create_row

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
OURS = ("groups", "people", "partners", "canvases")
TWO_COLUMNS = {"people.ImportMember", "people.SegmentMember"}
TABLES = sorted(site._registry, key=lambda model: model._meta.label)
# Texts that operators may read: a new column of text is decided on here.
SHOWN = {
    "canvases.Canvas": {"name"},
    "canvases.Step": {"kind", "name"},
    "canvases.StepTally": {"base"},
    "canvases.Visit": {"trail"},
    "groups.Activity": {"kind"},
    "groups.ApiKey": {"name", "prefix", "scopes"},
    "groups.AppGroup": {
        *("name", "slug", "time_zone", "language", "consent_attribute", "consent_values")
    },
    "groups.OutgoingMail": {"kind", "language"},
    "groups.RateWindow": {"name"},
    "groups.SetupLink": {"printed_by"},
    "groups.User": {"language"},
    "partners.AdAccount": {
        *("currency", "name", "parked_code", "remote_id", "status", "time_zone")
    },
    "partners.Audience": {"kind", "name", "parked_code", "remote_id", "why_not"},
    "partners.Batch": {"kinds", "last_code", "last_request_id", "lease"},
    "partners.CheckAnswer": {"answer", "code"},
    "partners.Connection": {"parked_code", "partner", "scopes"},
    "partners.Delivery": {"reason"},
    "partners.Incident": {"code"},
    "partners.Lane": {"lease"},
    "partners.OAuthState": {"partner"},
    "partners.Push": {"action", "batches", "code", "request_id"},
    "partners.SpentToken": {"partner"},
    "partners.Sync": {"kinds", "label", "url"},
    "partners.Tally": {"base"},
    "partners.Webhook": {"answer"},
    "people.ErasedName": {"kind"},
    "people.Erasure": {"key"},
    "people.Event": {"name"},
    "people.Import": {"lease", "problem_counts"},
    "people.Profile": {"language"},
    "people.Segment": {"name"},
    "people.Subscription": {"kinds", "name"},
}


@pytest.fixture
def staff(signed_in, alice):
    alice.is_staff = True
    alice.save()
    return signed_in(alice)


def address(model, page, *args):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_table_of_ours_is_registered():
    ours = {model._meta.label for model in apps.get_models() if model._meta.app_label in OURS}
    assert {model._meta.label for model in TABLES} == ours - TWO_COLUMNS


@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.label)
def test_its_pages_show_the_row_and_no_secret(staff, model):
    row, markers = create_row(model)

    listed = staff.get(address(model, "changelist"))
    page = staff.get(address(model, "change", row.pk))

    assert (listed.status_code, page.status_code) == (200, 200)
    assert address(model, "change", row.pk) in listed.content.decode()
    assert re.search(r'<p class="paginator">\s*[0-9]+ rows?\s*</p>', listed.content.decode())
    both = listed.content.decode() + page.content.decode()
    shown_columns = {name for name, marker in markers.items() if marker in both}
    shown_columns -= {model._meta.pk.name}
    assert shown_columns == SHOWN.get(model._meta.label, set())


def test_known_tokens_stand_on_no_page(staff, acme):
    model = apps.get_model("partners.Connection")
    row = model(app_group=acme, partner="tiktok")
    row.set_token("zq-access-token", refresh_token="zq-refresh-token")
    row.save()
    texts = ("zq-access-token", "zq-refresh-token", row.token_sealed[:24], row.refresh_sealed[:24])

    for page in (address(model, "changelist"), address(model, "change", row.pk)):
        content = staff.get(page).content.decode()
        assert not any(text in content for text in texts)


@pytest.mark.once
@pytest.mark.parametrize("model", TABLES, ids=lambda model: model._meta.label)
def test_nothing_is_added_changed_or_deleted(staff, alice, model):
    # Users can be changed, but not oneself.
    row = alice if isinstance(alice, model) else create_row(model)[0]
    n = model._base_manager.count()
    paths = [address(model, "add"), address(model, "change", row.pk)]
    paths.append(address(model, "delete", row.pk))

    assert {staff.post(path, {"name": "x", "post": "yes"}).status_code for path in paths} == {403}
    chosen = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    staff.post(address(model, "changelist"), chosen)
    assert model._base_manager.count() == n


@pytest.mark.parametrize("label", ["partners.Delivery", "groups.Membership", "canvases.Step"])
def test_the_queries_do_not_grow_and_count_few_rows(staff, label):
    model = apps.get_model(label)

    def queries():
        with CaptureQueriesContext(connection) as caught:
            staff.get(address(model, "changelist"))
        return [query["sql"] for query in caught]

    create_row(model)
    one = queries()
    for _ in range(5):
        create_row(model)
    many = queries()

    assert len(many) == len(one)
    assert all("LIMIT 1000" in sql for sql in many if "COUNT(" in sql)


def test_a_row_is_found_by_its_key_alone(staff, acme):
    model = type(acme)
    other, _markers = create_row(model)

    def listed(term):
        return staff.get(address(model, "changelist"), {"q": term}).content.decode()

    assert address(model, "change", acme.pk) in listed(acme.slug)
    assert address(model, "change", other.pk) not in listed(acme.slug)
    assert address(model, "change", acme.pk) in listed(str(acme.pk))
    assert address(model, "change", acme.pk) not in listed("9" * 40)
    assert address(model, "change", acme.pk) not in listed(acme.slug[:3])


def test_a_word_finds_no_row_where_keys_are_numbers(staff):
    model = apps.get_model("partners.Push")
    row, _markers = create_row(model)

    page = staff.get(address(model, "changelist"), {"q": "word"}).content.decode()

    assert address(model, "change", row.pk) not in page


def test_other_rows_are_named_by_their_ids(staff, bob, acme):
    membership = acme.memberships.get(user=bob)
    model = type(membership)

    for page in (address(model, "changelist"), address(model, "change", membership.pk)):
        content = staff.get(page).content.decode()
        assert bob.email not in content
        assert acme.name not in content
        assert address(type(bob), "change", bob.pk) in content


@pytest.mark.parametrize(
    "lookup", ["email__startswith", "password__startswith", "password__regex", "id", "groups__name"]
)
def test_no_column_is_guessed_by_filters(staff, bob, lookup):
    page = address(type(bob), "changelist")
    assert staff.get(page, {"p": "1"}).status_code == 200
    assert staff.get(page, {lookup: "("}).status_code == 400


def test_no_other_page_names_rows(staff, bob):
    field = {"app_label": "groups", "model_name": "membership", "field_name": "user", "term": ""}

    assert staff.get(address(type(bob), "history", bob.pk)).status_code == 404
    assert staff.get(reverse("admin:autocomplete"), field).status_code == 404


def test_the_address_chooses_no_order(staff):
    model = apps.get_model("partners.Delivery")
    with CaptureQueriesContext(connection) as caught:
        staff.get(address(model, "changelist"), {"o": "4.-5"})

    listed = [one["sql"] for one in caught if f'FROM "{model._meta.db_table}"' in one["sql"]]
    assert {sql.partition(" ORDER BY ")[2].split(" LIMIT")[0] for sql in listed} == {
        *("", f'"{model._meta.db_table}"."id" DESC')
    }
