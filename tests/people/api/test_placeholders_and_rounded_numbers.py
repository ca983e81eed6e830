"""Read rounded numbers and placeholders as an import reads them."""

import pytest

from audiencesync.people.identifiers import normalise


@pytest.mark.parametrize(
    ("number", "is_usable"),
    [
        (b"4.91761E11", False),
        (b"491761000000.0", False),
        (b"4.9151e+12", False),
        (b"4.915123456789E12", True),
        (b"4915123456789.0", True),
        (b"4915123456789", True),
        (b"4915123456780.0", True),
    ],
)
@pytest.mark.django_db
def test_a_phone_as_a_number_is_usable_only_if_no_digit_was_lost(api, person, number, is_usable):
    body = b'{"attributes": [{"external_id": "a", "phone": ' + number + b"}]}"
    assert api.post("/users/track", body).status_code == 201
    profile = person("a")
    assert (profile.phone_sha256 is not None, profile.invalid_kinds == 0) == (is_usable, is_usable)
    if is_usable:
        assert bytes(profile.phone_sha256) == normalise.digest(f"+{int(float(number))}")


def test_a_rounded_number_finds_no_profile(api):
    errors = api.track(attributes=[{"phone": 4.91761e11, "n": 1}], status=400)["errors"]
    assert [error["type"] for error in errors] == ["UNUSABLE_IDENTIFIER"]


STORED = {
    "country": "DE",
    "language": "de",
    "email": "a@example.org",
    "ads_consent": True,
    "gender": "F",
}
STORED |= {
    "ad_tracking_enabled": True,
    "dob": "2000-01-01",
    "home_city": "Bonn",
    "email_subscribe": "opted_in",
}


@pytest.mark.parametrize("field", STORED)
@pytest.mark.parametrize("text", ["NULL", "#N/A", "-", "nan"])
def test_a_placeholder_in_a_standard_field_changes_nothing(api, person, field, text):
    api.track(attributes=[{"external_id": "a"} | STORED])
    body = api.track(
        attributes=[{"external_id": "a", field: text}, {"external_id": "b", field: text}]
    )
    assert "errors" not in body
    for name in ("country", "language", "email", "ads_consent", "ad_tracking_enabled"):
        assert getattr(person("a"), name) == STORED[name]
        assert not getattr(person("b"), name)
    assert person("a").attributes.get(field, STORED[field]) == STORED[field]
    assert person("b").attributes == {}


def test_none_is_no_consent_answer_and_na_is_namibia(api, person):
    body = api.track(attributes=[{"external_id": "a", "ads_consent": "none", "country": "NA"}])
    assert [error["type"] for error in body["errors"]] == ["NOT_A_BOOLEAN"]
    assert (person("a").country, person("a").ads_consent) == ("NA", None)


@pytest.mark.parametrize("name", ["tier", "last_name"])
def test_a_placeholder_in_another_attribute_is_text(api, person, name):
    # JSON has its own null, and Null is a surname.
    api.track(attributes=[{"external_id": "a", name: "Null"}])
    assert person("a").attributes == {name: "Null"}
