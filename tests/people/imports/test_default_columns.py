"""Import by the suggested columns: no value is lost, and none is read as another type."""

import pytest
from django.utils import timezone

from audiencesync.people.changes import Change
from audiencesync.people.models import Profile
from audiencesync.people.writing.upsert import upsert

pytestmark = pytest.mark.thorough


def attributes(import_pages, cells, **changes):
    """Import these cells in a column ``x`` and return the attribute of each profile."""
    rows = "".join(f'c-{n};"{cell}"\n' for n, cell in enumerate(cells))
    import_pages.run_to_end(
        "external_id;x\n" + rows, delimiter="semicolon", encoding="utf-8", header="1", **changes
    )
    return [profile.attributes.get("x") for profile in Profile.objects.order_by("pk")]


@pytest.mark.parametrize("cell", ["01067", "+4915112345678", "007", "00", "1.234"])
def test_a_value_that_a_number_would_change_stays_text(import_pages, cell):
    assert attributes(import_pages, ["3", cell]) == ["3", cell]


def test_zero_and_fractions_are_numbers(import_pages):
    assert attributes(import_pages, ["0", "0,5", "-0.25"]) == [0, 0.5, -0.25]


def test_a_late_row_decides_the_type_of_its_column(import_pages):
    assert attributes(import_pages, [*["1"] * 90, "A7"])[-1] == "A7"


def test_a_point_before_three_digits_is_no_decimal_point_between_semicolons(import_pages):
    assert attributes(import_pages, ["1.234", "1.5", "0.125"], target_1="number") == [
        None,
        1.5,
        0.125,
    ]


def test_an_export_is_imported_unchanged(import_pages, acme):
    attributes_before = {
        "zip": "01067",
        "list": ["a"],
        "object": {"a": 1},
        "truth": True,
        "n": 1.5,
        "less": -3,
        "text": "-x",
    }
    upsert(acme, [Change(external_id="c-1", attributes=attributes_before)], now=timezone.now())
    data = b"".join(import_pages.client.post("/g/acme/people/profiles/export/").streaming_content)
    row = import_pages.run_to_end(data)
    assert (row.n_updated, row.n_rejected) == (1, 0)
    assert Profile.objects.get().attributes == attributes_before


@pytest.mark.parametrize("header", ["consent", "Consent"])
def test_a_column_named_like_the_consent_attribute_becomes_it(import_pages, acme, header):
    acme.consent_attribute = "consent"
    acme.save()
    import_pages.run_to_end(f"external_id,{header},einwilligung\nc-1,no,yes\nc-2,yes,no\n")
    assert dict(Profile.objects.values_list("external_id", "ads_consent")) == {
        "c-1": False,
        "c-2": True,
    }


def test_own_consent_values_of_a_group_are_kept_as_text(import_pages, acme):
    acme.consent_attribute, acme.consent_values = "consent", ["ja"]
    acme.save()
    import_pages.run_to_end("external_id,consent\nc-1,ja\nc-2,nein\n")
    assert dict(Profile.objects.values_list("external_id", "ads_consent")) == {
        "c-1": True,
        "c-2": False,
    }


def test_a_consent_column_is_refused_beside_a_consent_attribute(import_pages, acme):
    acme.consent_attribute = "newsletter"
    acme.save()
    answer = import_pages.post(
        import_pages.upload_url("external_id,x\nc-1,true\n"), target_1="ads_consent"
    )
    assert set(answer.context["form"].errors) == {"target_1"}
