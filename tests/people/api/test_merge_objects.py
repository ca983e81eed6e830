"""Change parts of objects: _merge_objects, and $add, $update, $remove in lists of objects."""

import pytest

from audiencesync.people.models import Profile

PETS = [{"id": 1, "name": "Rex", "tags": {"a": 1}}, {"id": 4, "name": "Tom"}]


@pytest.fixture
def write(api):
    """Return write(value, *errors) -> the attribute "o" afterwards.

    The answer must report exactly these types of errors.
    """

    def send(value, *errors, **more):
        body = api.track(attributes=[{"external_id": "a", "o": value} | more])
        assert [error["type"] for error in body.get("errors", [])] == list(errors)
        return Profile.objects.get().attributes.get("o")

    return send


def test_objects_are_merged_at_any_depth(write):
    write({"a": 1, "n": {"x": 1}})
    assert write({"c": 2, "n": {"y": 2}}, _merge_objects=True) == {
        "a": 1,
        "c": 2,
        "n": {"x": 1, "y": 2},
    }


def test_null_removes_a_part(write):
    write({"a": 1, "n": {"x": 1, "y": 2}})
    assert write({"a": None, "n": {"x": None}, "none": None}, _merge_objects=True) == {
        "n": {"y": 2}
    }


def test_lists_and_texts_are_replaced(write):
    write({"a": [1, 2], "n": {"x": 1}})
    assert write({"a": [3], "n": "text"}, _merge_objects=True) == {"a": [3], "n": "text"}


def test_a_value_of_another_type_becomes_an_object(write):
    write("text")
    assert write({"n": {"x": 1, "y": None}}, _merge_objects=True) == {"n": {"x": 1}}


def test_removing_from_a_missing_attribute_creates_nothing(write):
    assert write({"x": None}, _merge_objects=True) is None


@pytest.mark.parametrize("value", ["text", 5, ["a"], False])
def test_removing_a_part_of_a_value_that_has_none_keeps_the_value(write, value):
    write(value)
    assert write({"x": None}, _merge_objects=True) == value


def test_an_object_is_replaced_without_the_option(write):
    write({"a": 1})
    assert write({"c": 2}, _merge_objects=False) == {"c": 2}


def test_an_object_above_its_size_limit_is_refused(write):
    for n in range(3):
        write(
            {f"{n}-{i}": "x" * 255 for i in range(140)},
            *(["TOO_MANY_VALUES"] if n == 2 else []),
            _merge_objects=True,
        )
    assert len(Profile.objects.get().attributes["o"]) == 280


def test_objects_are_added_to_a_list(write):
    assert write({"$add": PETS}) == PETS
    assert write({"$add": [{"id": 5}]}) == [*PETS, {"id": 5}]


def test_an_object_of_a_list_is_updated(write):
    write(PETS)
    new = {"breed": "corgi", "tags": {"b": 2, "a": None}}
    found = write(
        {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": new}]}
    )
    assert found == [{"id": 1, "name": "Rex", "breed": "corgi", "tags": {"b": 2}}, PETS[1]]


def test_objects_are_removed_from_a_list(write):
    write(PETS)
    assert write({"$remove": [{"$identifier_key": "id", "$identifier_value": 4}]}) == PETS[:1]
    # true is not 1
    assert write({"$remove": [{"$identifier_key": "id", "$identifier_value": True}]}) == PETS[:1]


def test_one_call_removes_updates_and_adds(write):
    write(PETS)
    operations = {
        "$add": [{"id": 9}],
        "$update": [
            {"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"name": "Max"}}
        ],
        "$remove": [{"$identifier_key": "name", "$identifier_value": "Tom"}],
    }
    assert write(operations) == [PETS[0] | {"name": "Max"}, {"id": 9}]


def test_a_list_of_objects_above_its_limit_is_refused(write):
    write({"$add": [{"id": n} for n in range(499)]})
    assert len(write({"$add": [{"id": 1}, {"id": 2}]}, "TOO_MANY_VALUES")) == 499


def test_a_list_operation_on_a_text_is_refused_and_the_rest_is_written(api, write):
    write("text")
    assert write({"$add": [{"id": 1}]}, "NOT_A_LIST", plan="gold", email="a@example.org") == "text"
    profile = Profile.objects.get()
    assert (profile.attributes["plan"], profile.email) == ("gold", "a@example.org")


def test_an_increment_of_a_text_is_refused_alone(api):
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    body = api.track(attributes=[{"external_id": "a", "plan": {"inc": 1}, "n": {"inc": 1}}])
    assert [(error["type"], error["field"]) for error in body["errors"]] == [
        ("NOT_A_NUMBER", "plan")
    ]
    assert Profile.objects.get().attributes == {"plan": "gold", "n": 1}
