"""Validate the segment form: every input gets a page with a message."""

import pytest
from django.core.cache import cache
from django.utils import translation

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import catalogue
from audiencesync.people.segments.builder.form import SegmentForm
from tests.support.segment_form import segment_data

NEW = "/g/acme/people/segments/new/"
ODD_TEXTS = [
    "👩‍👩‍👧 \u202eمحمد",
    "<script>alert(1)</script>",
    "{{ 7 }}",
    "'; DROP TABLE--",
    "a__b",
    "x" * 4000,
]


def form_data(field="country", op="is", value="DE", **more):
    return segment_data((field, op, value), **{"save": "1"} | more)


@pytest.mark.parametrize(
    ("data", "place"),
    [
        (form_data(name=""), "name"),
        (form_data(name="   "), "name"),
        (form_data(name="a\x00b"), "name"),
        (form_data(name="a" * 81), "name"),
        (form_data(name="TAKEN"), "name"),
        (form_data(match="most"), "match-0"),
        (form_data(version="x"), "version"),
        (form_data(version="9" * 40), "version"),
        (form_data(field="a__b"), "field-0.0"),
        (form_data(field="custom."), "field-0.0"),
        (form_data(field="x" * 10_000), "field-0.0"),
        (form_data(field="a\x00"), "field-0.0"),
        (form_data(field=""), "field-0.0"),
        (form_data(op="like"), "op-0.0"),
        (form_data(op=""), "op-0.0"),
        (form_data(field="phone", op="is"), "op-0.0"),
        (form_data(value=""), "value-0.0"),
        (form_data(value="\x00"), "value-0.0"),
        (form_data(value="x" * 256), "value-0.0"),
        (form_data(value="x" * 10_000), "value-0.0"),
        (form_data(op="exists"), "value-0.0"),
        (form_data(op="in", value=" , ,"), "value-0.0"),
        (form_data(op="in", value="x," * 1500), "value-0.0"),
        (form_data("orders", "greater", "many"), "value-0.0"),
        (form_data("orders", "greater", "1e999"), "value-0.0"),
        (form_data("orders", "greater", "nan"), "value-0.0"),
        (form_data("orders", "less", "9" * 200), "value-0.0"),
        (form_data("day of creation", "greater", "tomorrow"), "value-0.0"),
    ],
)
def test_an_error_is_reported_beside_its_field(acme, bob, signed_in, data, place):
    Segment.objects.create(app_group=acme, name="Taken")
    Profile.objects.create(app_group=acme, attributes={"orders": 5})
    answer = signed_in(bob).post(NEW, data)
    assert answer.status_code == 422
    assert place in answer.context["form"].errors
    assert Segment.objects.count() == 1


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_odd_texts_are_shown_escaped(make_profile, bob, signed_in, text):
    make_profile(attributes={text[:60]: text})
    client = signed_in(bob)
    client.post(NEW, form_data(name=text[:80], field="custom.x", value=text[:255], anyway="on"))
    assert Segment.objects.get().filter["all"][0]["value"] == text[:255].strip()
    for path in (
        NEW,
        "/g/acme/people/segments/",
        f"/g/acme/people/segments/{Segment.objects.get().pk}/",
    ):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "<script>alert" not in answer.content.decode()


def test_the_same_name_in_another_composition_is_taken(acme, bob, signed_in):
    Segment.objects.create(app_group=acme, name="Café")
    assert signed_in(bob).post(NEW, form_data(name="Cafe\u0301")).status_code == 422


def test_a_form_without_its_fields_is_refused(bob, acme, signed_in):
    assert signed_in(bob).post(NEW, {"save": "1"}).status_code == 422


def test_a_broken_stored_filter_breaks_no_page(acme, bob, signed_in):
    broken = Segment.objects.create(app_group=acme, name="Broken", filter={"all": "x"})
    client = signed_in(bob)
    for path in ("/g/acme/people/segments/", f"/g/acme/people/segments/{broken.pk}/"):
        answer = client.get(path)
        assert (answer.status_code, "This filter cannot be read." in answer.content.decode()) == (
            200,
            True,
        )
    assert client.get(f"/g/acme/people/segments/{broken.pk}/remove/").status_code == 200


@pytest.mark.parametrize(
    ("language", "typed", "number"),
    [("en", "1,000.5", 1000.5), ("de", "1.000,5", 1000.5), ("de", "2", 2), ("en", "2", 2)],
)
def test_numbers_are_read_in_the_format_of_the_language(acme, language, typed, number):
    with translation.override(language):
        form = SegmentForm(form_data("orders", "greater", typed), app_group=acme)
        assert form.is_valid()
    assert form.cleaned_data["raw_filter"]["all"][0]["value"] == number


def test_stored_attributes_are_suggested_as_fields(make_profile, acme):
    make_profile(
        attributes={"plan": "gold", "country": "attribute", "a__b": 1, '"': 1, "vip": True}
    )
    make_profile(attributes=["not", "an", "object"])
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"new-{n}", attributes={"plan": 7})
        for n in range(catalogue.N_NEWEST)
    )
    cache.clear()
    fields = dict(catalogue.suggestions(acme))
    assert {"country", "plan", "a__b", '"', "vip"} <= set(fields)
    assert fields["plan"] == "number, text, for example 7"
    assert fields["vip"] == "yes or no"  # only an older profile has it
