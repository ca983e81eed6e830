"""The page beside the builder: bars, types of attributes, copies, and what saving would do."""

import pytest
from django.urls import reverse

from audiencesync.people.models import Profile, Segment
from canvases.models import Canvas
from tests.support.segment_form import segment_data

NEW = "/g/acme/people/segments/new/"


@pytest.fixture
def browser(bob, signed_in):
    return signed_in(bob)


def test_each_identifier_has_a_bar_of_its_share(browser, acme, make_profile):
    make_profile(email="a@example.com", phone="030 23125123")
    make_profile(email="b@example.com")
    make_profile(email="c@example.com")
    segment = Segment.objects.create(app_group=acme, name="All")
    page = browser.get(reverse("segment", args=["acme", segment.pk]))
    bars = {bar.label: (bar.n, bar.width) for bar in page.context["numbers"].bars}
    assert bars["E-mail"] == (3, "100.0%")
    assert bars["Phone"] == (1, "33.3%")
    assert 'width="33.3%"' in page.content.decode()


@pytest.mark.parametrize(
    ("values", "shown", "op"),
    [
        (["2026-11-01", "2026-11-02T10:00:00Z"], "date", "is after"),
        (["2026-11-01", "soon"], "text", "is greater than, or after"),
        ([1, 2.5], "number", "is greater than"),
    ],
)
def test_a_condition_shows_the_type_of_its_attribute(
    browser, acme, make_profile, values, shown, op
):
    for value in values:
        make_profile(attributes={"seen": value})
    condition = {"field": "custom.seen", "op": "exists"}
    segment = Segment.objects.create(app_group=acme, name="Seen", filter={"all": [condition]})
    page = browser.get(reverse("segment", args=["acme", segment.pk]))
    assert f'<span class="cond-type" id="type-0.0">{shown}</span>' in page.content.decode()
    data = segment_data(("seen", "exists"))
    preview = browser.post(reverse("segment_new_preview", args=["acme"]), data).content.decode()
    assert f'id="type-0.0" hx-swap-oob="true">{shown}</span>' in preview
    assert dict(page.context["form"].fields["op-0.0"].choices)["greater"] == op


def test_a_segment_is_duplicated(browser, acme, other_group):
    conditions = {"all": [{"field": "country", "op": "is", "value": "DE"}]}
    segment = Segment.objects.create(app_group=acme, name="Germans", filter=conditions)
    form = browser.get(NEW, {"from": segment.pk}).context["form"]
    sent = {name: form[name].value() or "" for name in form.fields}
    assert browser.post(NEW, sent | {"save": "1"}).status_code == 302
    assert Segment.objects.get(name="Copy of Germans").filter == conditions
    theirs = Segment.objects.create(app_group=other_group, name="Theirs", filter=conditions)
    for odd in (theirs.pk, "x", "9" * 30, "\u0663"):
        assert browser.get(NEW, {"from": odd}).context["form"]["name"].value() is None


def test_a_preview_says_what_saving_does_to_live_canvases(browser, acme, gold_segment, listen):
    plans = ["gold"] * 3 + ["silver"] * 2
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"p{n}", attributes={"plan": plan})
        for n, plan in enumerate(plans)
    )
    listen()
    Canvas.objects.create(app_group=acme, name="Live", segment=gold_segment, state="live")

    def effect(plan):
        data = segment_data(
            ("plan", "is", plan), name=gold_segment.name, version=str(gold_segment.version)
        )
        return browser.post(
            reverse("segment_preview", args=["acme", gold_segment.pk]), data
        ).content

    assert b"Saving changes 1 live canvas: 3 leave, 2 join." in effect("silver")
    assert (
        b"1 live canvas uses this segment."
        in browser.get(reverse("segment", args=["acme", gold_segment.pk])).content
    )
