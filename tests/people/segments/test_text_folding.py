"""Texts compare without case and composition, alike in both databases and in Python."""

import pytest
from django.db.models import Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from audiencesync.people.segments.fold import Fold, fold

CITIES = (
    "KÖLN",
    "Köln",
    "Ko\u0308ln",
    "Österreich",
    "МОСКВА",
    "STRASSE",
    "Straße",
    "ΣΊΣΥΦΟΣ",
    "İstanbul",
    "Ankara",
)
KOELN = {"KÖLN", "Köln", "Ko\u0308ln"}
NAMES = [
    "plan__tier",
    "utm:source",
    "_private",
    "$my_attribute",
    "a/b",
    'say "hi"',
    "back\\slash",
    "x" * 100,
    "größe",
]


@pytest.fixture
def cities(acme):
    for number, city in enumerate(CITIES):
        Profile.objects.create(app_group=acme, external_id=str(number), attributes={"city": city})


@pytest.mark.parametrize(
    ("op", "value", "found"),
    [
        ("contains", "köln", KOELN),
        ("is", "Köln", KOELN),
        ("in", ["ko\u0308LN", "ankara"], KOELN | {"Ankara"}),
        ("starts_with", "österreich", {"Österreich"}),
        ("contains", "москва", {"МОСКВА"}),
        ("is", "strasse", {"STRASSE", "Straße"}),
        ("is", "σίσυφος", {"ΣΊΣΥΦΟΣ"}),
        ("starts_with", "istan", {"İstanbul"}),
        ("contains", "KOLN", set()),
    ],
)
def test_conditions_ignore_case_and_composition(cities, op, value, found):
    people = Profile.objects.filter(
        filters.parse({"field": "custom.city", "op": op, "value": value})
    )
    assert {person.attributes["city"] for person in people} == found


@settings(suppress_health_check=list(HealthCheck))
@given(
    st.text(
        st.characters(exclude_categories=["Cs", "Cn", "Co"], exclude_characters="\0"), max_size=8
    )
)
def test_the_database_folds_like_python(acme, text):
    assert AppGroup.objects.values_list(Fold(Value(text)), flat=True).get() == fold(text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "op", "operand"),
    [
        ("gold", "is", "GOLD"),
        (5, "greater", 4),
        (True, "is_true", None),
        (None, "missing", None),
        ("2026-11-23", "less", "2026-12-01"),
    ],
)
def test_an_attribute_of_any_name_can_be_used_in_a_condition(acme, name, value, op, operand):
    Profile.objects.create(
        app_group=acme, external_id="has", attributes={name: value, "other": "x"}
    )
    Profile.objects.create(
        app_group=acme, external_id="not", attributes={"other": "gold", "x": False}
    )
    condition = {"field": f"custom.{name}", "op": op} | (
        {} if operand is None else {"value": operand}
    )
    external_ids = set(
        Profile.objects.filter(filters.parse(condition)).values_list("external_id", flat=True)
    )
    assert external_ids == ({"has", "not"} if op == "missing" else {"has"})
