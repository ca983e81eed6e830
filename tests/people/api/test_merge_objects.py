"""Parts of objects change: _merge_objects, and $add, $update, $remove in lists of objects."""

import pytest

from audiencesync.people.models import Profile

PETS = [{"id": 1, "name": "Rex", "tags": {"a": 1}}, {"id": 4, "name": "Tom"}]


@pytest.fixture
def tell(api):
    """tell(value) -> the attribute "o" afterwards; the errors must be of these types."""

    def told(value, *errors, **more):
        body = api.track(attributes=[{"external_id": "a", "o": value} | more])
        assert [error["type"] for error in body.get("errors", [])] == list(errors)
        return Profile.objects.get().attributes.get("o")

    return told


def test_objects_are_merged_at_any_depth(tell):
    tell({"a": 1, "n": {"x": 1}})
    assert tell({"c": 2, "n": {"y": 2}}, _merge_objects=True) == {
        "a": 1,
        "c": 2,
        "n": {"x": 1, "y": 2},
    }


def test_null_takes_a_part_out(tell):
    tell({"a": 1, "n": {"x": 1, "y": 2}})
    assert tell({"a": None, "n": {"x": None}, "none": None}, _merge_objects=True) == {"n": {"y": 2}}


def test_a_list_and_a_text_are_replaced(tell):
    tell({"a": [1, 2], "n": {"x": 1}})
    assert tell({"a": [3], "n": "text"}, _merge_objects=True) == {"a": [3], "n": "text"}


def test_what_was_no_object_becomes_one(tell):
    tell("text")
    assert tell({"n": {"x": 1, "y": None}}, _merge_objects=True) == {"n": {"x": 1}}


def test_merging_nothing_into_nothing_makes_nothing(tell):
    assert tell({"x": None}, _merge_objects=True) is None


def test_without_the_switch_an_object_is_replaced(tell):
    tell({"a": 1})
    assert tell({"c": 2}, _merge_objects=False) == {"c": 2}


def test_an_object_does_not_grow_without_end(tell):
    for n in range(3):
        tell(
            {f"{n}-{i}": "x" * 255 for i in range(140)},
            *(["TOO_MANY_VALUES"] if n == 2 else []),
            _merge_objects=True,
        )
    assert len(Profile.objects.get().attributes["o"]) == 280


def test_objects_are_added_to_a_list(tell):
    assert tell({"$add": PETS}) == PETS
    assert tell({"$add": [{"id": 5}]}) == [*PETS, {"id": 5}]


def test_an_object_of_a_list_is_updated(tell):
    tell(PETS)
    new = {"breed": "corgi", "tags": {"b": 2, "a": None}}
    found = tell(
        {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": new}]}
    )
    assert found == [{"id": 1, "name": "Rex", "breed": "corgi", "tags": {"b": 2}}, PETS[1]]


def test_objects_are_removed_from_a_list(tell):
    tell(PETS)
    assert tell({"$remove": [{"$identifier_key": "id", "$identifier_value": 4}]}) == PETS[:1]
    assert (
        tell({"$remove": [{"$identifier_key": "id", "$identifier_value": True}]}) == PETS[:1]
    )  # true is not 1


def test_one_call_removes_updates_and_adds(tell):
    tell(PETS)
    wish = {
        "$add": [{"id": 9}],
        "$update": [
            {"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"name": "Max"}}
        ],
        "$remove": [{"$identifier_key": "name", "$identifier_value": "Tom"}],
    }
    assert tell(wish) == [PETS[0] | {"name": "Max"}, {"id": 9}]


def test_a_list_of_objects_does_not_grow_without_end(tell):
    tell({"$add": [{"id": n} for n in range(499)]})
    assert len(tell({"$add": [{"id": 1}, {"id": 2}]}, "TOO_MANY_VALUES")) == 499


def test_what_is_no_list_is_left_and_the_rest_is_written(api, tell):
    tell("text")
    assert tell({"$add": [{"id": 1}]}, "NOT_A_LIST", plan="gold", email="a@example.org") == "text"
    found = Profile.objects.get()
    assert (found.attributes["plan"], found.email) == ("gold", "a@example.org")


def test_a_number_that_cannot_be_added_costs_the_field(api):
    api.track(attributes=[{"external_id": "a", "plan": "gold"}])
    body = api.track(attributes=[{"external_id": "a", "plan": {"inc": 1}, "n": {"inc": 1}}])
    assert [(error["type"], error["field"]) for error in body["errors"]] == [
        ("NOT_A_NUMBER", "plan")
    ]
    assert Profile.objects.get().attributes == {"plan": "gold", "n": 1}
