"""A condition matches stored values in the spelling a marketer types, or reports an error."""

import pytest
from django.utils import translation

from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import filters
from audiencesync.people.segments.builder.form import SegmentForm
from tests.support.segment_form import segment_data

PEOPLE = {
    "small": {"n": 1.5, "mixed": 1.5, "day": "2026-11-23", "tier": "gold", "gender": "M"},
    "large": {"n": 1000, "mixed": "1,5 l", "day": "2026-11-23T10:00:00Z", "tier": "Iğdır"},
    "other": {"n": 1234.5, "mixed": 1000, "day": "gestern", "tier": "ﬁt\u00a0ｘ"},
}


@pytest.fixture
def people(acme):
    for name, attributes in PEOPLE.items():
        Profile.objects.create(
            app_group=acme, external_id=name, attributes=attributes, country="DE", language="de"
        )


def form(acme, field, op, value, segment=None):
    return SegmentForm(segment_data((field, op, value)), app_group=acme, segment=segment)


def found(acme, *row, language="de"):
    with translation.override(language):
        segment_form = form(acme, *row)
        assert segment_form.is_valid(), segment_form.errors
    people = Profile.objects.filter(
        filters.parse(segment_form.cleaned_data["raw_filter"]), app_group=acme
    )
    return set(people.values_list("external_id", flat=True))


@pytest.mark.parametrize(
    ("row", "names"),
    [
        *[(("n", "is", typed), {"small"}) for typed in ("1,5", "1,50", "1.5")],
        *[(("n", "is", typed), {"large"}) for typed in ("1.000", "1 000", "1000,0", "1000")],
        (("n", "is", "1.234,50"), {"other"}),
        (("n", "is_not", "1,5"), {"large", "other"}),
        (("n", "in", "1,5;"), {"small"}),
        (("n", "in", "1,5; 1.000"), {"small", "large"}),
        (("mixed", "is", "1,5"), {"small"}),
        (("mixed", "is", "1.000"), {"other"}),
        (("mixed", "is", "1,5 L"), {"large"}),
        *[
            (("day", op, "23.11.2026"), {"small", "large"})
            for op in ("is", "in", "contains", "starts_with")
        ],
        (("day", "is", "2026-11-23"), {"small", "large"}),
        (("day", "is_not", "23.11.2026"), {"other"}),
        (("day", "greater", "22.11.2026"), {"small", "large"}),
        (("gender", "is", "männlich"), {"small"}),
        *[(("tier", "is", typed), {"large"}) for typed in ("IĞDIR", "iğdir", "IĞDİR")],
        (("tier", "is", "FIT X"), {"other"}),
        *[
            (("country", "is", typed), set(PEOPLE))
            for typed in ("Germany", "Deutschland", "DEU", "de")
        ],
        (("country", "in", "Österreich, Germany"), set(PEOPLE)),
        (("country", "is_not", "Germany"), set()),
        *[(("language", "is", typed), set(PEOPLE)) for typed in ("German", "deutsch", "ger", "DE")],
        (("language", "starts_with", "d"), set(PEOPLE)),
    ],
)
def test_a_typed_value_matches_stored_spellings(people, acme, row, names):
    assert found(acme, *row) == names


def test_a_text_like_a_date_is_matched_as_text_without_stored_days(people, acme):
    Profile.objects.create(app_group=acme, external_id="part", attributes={"tier": "11/23/2026"})
    assert found(acme, "tier", "is", "11/23/2026") == {"part"}


def test_thousands_are_grouped_as_in_the_language(people, acme):
    assert found(acme, "n", "is", "1,000", language="en") == {"large"}


@pytest.mark.parametrize(
    ("row", "place", "words"),
    [
        (("n", "in", "1,5"), "value-0.0", "one number or several"),
        (("tier", "greater", "2026-01-01"), "op-0.0", "holds no dates"),
        *[
            (("day", op, "11/23/2026"), "value-0.0", "Days are found as")
            for op in ("is", "is_not", "in", "contains")
        ],
        *[
            (("day", op, "2026-11-23 10:00"), "value-0.0", "Days are found as")
            for op in ("is", "is_not", "in")
        ],
        (("country", "is", "Narnia"), "value-0.0", "is no country"),
        (("country", "contains", "Germany"), "value-0.0", "is no country"),
        (("language", "in", "de, Klingon"), "value-0.0", "“Klingon” is no language"),
        (("language", "contains", "deutsch"), "value-0.0", "is no language"),
    ],
)
def test_a_value_that_matches_no_person_is_reported(people, acme, row, place, words):
    segment_form = form(acme, *row)
    assert not segment_form.is_valid()
    assert words in segment_form.errors[place][0]


@pytest.mark.parametrize("typed", ["1,5;", "1,5; 7", "1, 5", "Berlin, Mitte; Köln"])
@pytest.mark.parametrize("language", ["de", "en"])
def test_a_list_is_shown_as_it_was_read(people, acme, typed, language):
    with translation.override(language):
        chosen = form(acme, "mixed", "in", typed)
        assert chosen.is_valid(), chosen.errors
        segment = Segment.objects.create(
            app_group=acme, name="S", filter=chosen.cleaned_data["raw_filter"]
        )
        initial = SegmentForm(app_group=acme, segment=segment).initial["value-0.0"]
        again = form(acme, "mixed", "in", initial, segment)
        assert again.is_valid(), again.errors
    assert again.cleaned_data["raw_filter"] == segment.filter
