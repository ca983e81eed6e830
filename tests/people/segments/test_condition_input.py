"""Report a condition that can match no person beside its field; read numbers and dates."""

import pytest
from django.utils import translation

from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.imports import Import
from audiencesync.people.segments import conditions
from audiencesync.people.segments.builder.form import SegmentForm
from tests.support.segment_form import segment_data

ATTRIBUTES = {
    "Umsatz": 12.5,
    "plan": "gold",
    "newsletter": True,
    "tags": ["a"],
    "birthday": "1979-04-17",
    "sum": "9,99",
}


@pytest.fixture
def people(acme):
    Profile.objects.create(app_group=acme, external_id="one", attributes=ATTRIBUTES)


def form(acme, field, op, value="", **more):
    return SegmentForm(segment_data((field, op, value), **more), app_group=acme)


def condition(acme, *row, **more):
    segment_form = form(acme, *row, **more)
    assert segment_form.is_valid(), segment_form.errors
    return segment_form.cleaned_data["raw_filter"]["all"][0]


@pytest.mark.parametrize(
    ("row", "place", "words"),
    [
        (("umsazt", "greater", "5"), "field-0.0", "No person has an attribute “umsazt”."),
        (("pln", "is", "gold"), "field-0.0", "Do you mean “plan”?"),
        (("newsletter", "is", "ja"), "op-0.0", "choose “is true” or “is false”"),
        (("newsletter", "contains", "ja"), "op-0.0", "holds no text"),
        (("plan", "is_true", ""), "op-0.0", "is no yes or no"),
        (("sum", "greater", "1000"), "op-0.0", "stored as text, not as a number"),
        (("Umsatz", "less", "01.01.1980"), "op-0.0", "holds no dates"),
        (("Umsatz", "is", "viel"), "op-0.0", "holds numbers"),
        (("Umsatz", "contains", "1"), "op-0.0", "holds no text"),
        (("tags", "is", "a"), "op-0.0", "holds lists or objects"),
        (("birthday", "less", "31.02.1980"), "value-0.0", "a date such as"),
        (("birthday", "less", "gestern"), "value-0.0", "a date such as"),
        (("import", "is", "99"), "value-0.0", "There is no import number 99."),
    ],
)
def test_an_impossible_condition_is_reported_beside_its_field(people, acme, row, place, words):
    segment_form = form(acme, *row)
    assert not segment_form.is_valid()
    assert list(segment_form.errors) == [place]
    assert words in segment_form.errors[place][0]


def test_a_condition_on_an_unknown_attribute_can_be_saved_anyway(people, acme):
    assert condition(acme, "coming", "is", "soon", anyway="on")["field"] == "custom.coming"
    assert "anyway" in form(acme, "coming", "is", "soon").fields


def test_a_new_attribute_is_known_at_once(people, acme):
    assert not form(acme, "new", "exists").is_valid()
    Profile.objects.create(app_group=acme, external_id="two", attributes={"new": 1})
    assert form(acme, "new", "exists").is_valid()


def test_the_case_of_an_attribute_name_is_corrected(people, acme):
    assert condition(acme, "UMSATZ", "greater", "5") == {
        "field": "custom.Umsatz",
        "op": "greater",
        "value": 5,
    }


def test_an_import_of_another_group_is_unknown(acme, other_group):
    theirs = Import.objects.create(app_group=other_group, file_name="x.csv", size=1)
    segment_form = form(acme, "import", "is", str(theirs.pk))
    assert f"There is no import number {theirs.pk}." in segment_form.errors["value-0.0"]


@pytest.mark.parametrize(
    ("language", "typed", "number"),
    [
        *[(language, "1,5", 1.5) for language in ("en", "de")],
        *[(language, "1.5", 1.5) for language in ("en", "de")],
        *[(language, "1.234,56", 1234.56) for language in ("en", "de")],
        *[(language, "1,234.56", 1234.56) for language in ("en", "de")],
        *[(language, "1 234,56", 1234.56) for language in ("en", "de")],
        *[(language, "1.234.567", 1234567) for language in ("en", "de")],
        ("de", "1.000", 1000),
        ("en", "1.000", 1),
        ("en", "1,000", 1000),
        ("de", "1,000", 1),
        ("de", "0,125", 0.125),
        ("en", "-3", -3),
        ("de", "5 €", 5),
        *[
            ("en", odd, None)
            for odd in (
                "1,2,3",
                "1.2.3",
                "1,00,000",
                "12e3",
                "",
                "٣",
                "nan",
                "1..5",
                "5 € 6",
                "01.01.1980",
            )
        ],
    ],
)
def test_a_number_is_read_in_the_format_of_the_language(language, typed, number):
    with translation.override(language):
        assert conditions.number(typed) == number


@pytest.mark.parametrize(
    ("typed", "day"),
    [
        ("2026-11-23", "2026-11-23"),
        ("23.11.2026", "2026-11-23"),
        (" 3.1.1980 ", "1980-01-03"),
        ("11/23/2026", None),
    ],
)
def test_a_date_is_read_in_its_common_formats(typed, day):
    assert conditions.day(typed) == day


@pytest.mark.parametrize("field", ["birthday", "created on"])
def test_a_german_date_becomes_a_day_and_no_number(people, acme, field):
    assert condition(acme, field, "less", "01.01.1980")["value"] == "1980-01-01"


def test_a_whole_address_is_stored_as_its_hash(acme, make_profile):
    person = make_profile(email="max@example.org")
    stored = condition(acme, "email", "contains", "Max@Example.org")
    assert stored["value"] == f"sha256:{bytes(person.email_sha256).hex()}"
    assert condition(acme, "email", "contains", "@example.org")["value"] == "@example.org"


def test_the_name_of_an_attribute_may_begin_as_the_api_writes_attributes(acme, people):
    Profile.objects.create(app_group=acme, external_id="two", attributes={"custom.plan": "gold"})
    assert condition(acme, "custom.plan", "is", "gold")["field"] == "custom.custom.plan"
    assert condition(acme, "custom.newsletter", "is_true")["field"] == "custom.newsletter"


def test_a_saved_condition_on_such_a_name_is_kept_though_no_person_has_it(acme):
    raw = {"all": [{"field": "custom.custom.plan", "op": "exists"}]}
    segment = Segment.objects.create(app_group=acme, name="N", filter=raw)
    data = segment_data(("custom.plan", "exists"))
    segment_form = SegmentForm(data, app_group=acme, segment=segment)
    assert segment_form.is_valid(), segment_form.errors
    assert segment_form.cleaned_data["raw_filter"] == raw
