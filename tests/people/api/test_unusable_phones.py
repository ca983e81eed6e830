"""An unusable phone does not replace a usable one; the error is reported, the rest written."""


def test_an_unusable_phone_is_reported_and_the_usable_one_kept(api, person):
    api.track(attributes=[{"external_id": "a", "phone": "+4915112345678"}])
    body = api.track(attributes=[{"external_id": "a", "phone": "4.91761E11", "country": "DE"}])
    (error,) = body["errors"]
    assert (error["type"], error["field"], error["index"]) == ("UNUSABLE_VALUE", "phone", 0)
    assert (body["attributes_processed"], person("a").country, person("a").phone) == (
        1,
        "DE",
        "+4915112345678",
    )


def test_a_placeholder_phone_changes_nothing(api, person):
    api.track(attributes=[{"external_id": "a", "phone": "+4915112345678"}])
    api.track(
        attributes=[{"external_id": "a", "phone": "n/a"}, {"external_id": "b", "phone": "NULL"}]
    )
    assert (person("a").phone, person("b").phone, person("b").invalid_kinds) == (
        "+4915112345678",
        "",
        0,
    )
