"""The page of a rehearsal: who may see it, who can be chosen, and what it says about a person."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups.models import Activity
from audiencesync.people.models import Event, Profile
from canvases.models import ExitSegment, Step
from canvases.steps import KINDS
from canvases.views.rehearse import MAX_PEOPLE

pytestmark = pytest.mark.django_db

MAX = "max@example.org"


@pytest.fixture
def person(acme):
    return Profile.objects.create(
        app_group=acme,
        external_id="crm-7",
        email=MAX,
        email_sha256=b"m" * 32,
        country="AT",
        attributes={"plan": "gold"},
    )


def split(canvas, condition):
    return Step.objects.create(canvas=canvas, kind="decision_split", settings={"filter": condition})


def test_the_head_of_the_canvas_leads_to_it_for_every_role(editor_of, canvas, alice, bob, vera):
    for user in (alice, bob, vera):
        page = editor_of(user).get().content.decode()
        assert f'href="{canvas.get_absolute_url()}rehearse/"' in page


def test_a_search_is_posted_and_leads_to_an_address_without_personal_data(editor_of, bob, person):
    answer = editor_of(bob).post("canvas_rehearse", q=MAX)
    assert f"?person={person.pk}" in answer.content.decode()
    assert answer.request["QUERY_STRING"] == ""


def test_a_search_of_a_viewer_is_masked_and_finds_whole_addresses_only(editor_of, vera, person):
    person.email_sha256 = None
    person.save()
    assert (
        f"?person={person.pk}"
        not in editor_of(vera).post("canvas_rehearse", q="max").content.decode()
    )
    page = editor_of(vera).post("canvas_rehearse", q="crm-7").content.decode()
    assert f"?person={person.pk}" in page
    assert MAX not in page


def test_the_list_of_found_people_needs_as_many_queries_for_ten_as_for_one(
    editor_of, bob, acme, person, django_assert_num_queries
):
    bob_editor = editor_of(bob)
    bob_editor.post("canvas_rehearse", q="crm-")  # the first view is logged
    with CaptureQueriesContext(connection) as one:
        assert bob_editor.post("canvas_rehearse", q="crm-").content.count(b"?person=") == 1
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"crm-1{n}", email=MAX) for n in range(30)
    )
    with django_assert_num_queries(len(one)):
        content = bob_editor.post("canvas_rehearse", q="crm-").content
    assert content.count(b"?person=") == MAX_PEOPLE


def test_a_person_of_another_group_is_404(rehearse, canvas, other_group, person):
    stranger = Profile.objects.create(app_group=other_group, external_id="x")
    assert rehearse(canvas, person).status == 200
    assert rehearse(canvas, stranger).status == 404


def test_another_time_is_asked_for_a_person_with_a_large_id(rehearse, canvas, acme):
    person = Profile.objects.create(pk=1_234_567, app_group=acme, external_id="big")
    assert 'name="person" value="1234567"' in rehearse(canvas, person).text


@pytest.mark.parametrize("odd", ["x", "-1", "9" * 30, "1.5", "\0"])
def test_an_odd_person_is_404(rehearse, canvas, odd):
    assert rehearse(canvas, person=odd).status == 404


@pytest.mark.parametrize(
    "odd", ["soon", "2026-13-01T10:00", "1200-01-01T10:00", "9999-12-31T23:59"]
)
def test_an_odd_time_is_an_error_beside_the_field(rehearse, canvas, person, odd):
    page = rehearse(canvas, person, at=odd)
    assert page.status == 422
    assert "Give a date and time" in page.text


def test_odd_choices_are_left_out(rehearse, canvas, person):
    page = rehearse(canvas, person, take=["1", "a-b", "9" * 30, f"{'9' * 18}-1"], who="nobody")
    assert page.status == 200


def test_a_condition_says_whether_it_is_met_and_what_the_person_has(rehearse, canvas, person):
    step = split(canvas, {"field": "country", "op": "is", "value": "DE"})
    text = rehearse(canvas, person).stop(step)
    assert "Not met: whose country is “DE” (this person: AT )" in text
    assert "No this way" in text


def test_a_condition_that_cannot_be_read_ends_the_way(rehearse, canvas, person):
    condition = {"segment": "8c5d0c1e-0000-4000-8000-000000000000", "op": "in"}
    step = split(canvas, condition)
    page = rehearse(canvas, person)
    assert (page.status, page.path) == (200, [])
    assert "People cannot go on here" in page.text
    canvas.segment.filter = condition
    canvas.segment.save()
    page = rehearse(canvas, person)
    assert "The filter of the segment cannot be read." in page.text
    assert ">would not enter<" in page.text
    assert rehearse(canvas, who="typical").status == 200
    Step.objects.filter(pk=step.pk).delete()
    ExitSegment.objects.create(canvas=canvas, segment=canvas.segment)
    assert "A segment that ends visits cannot be read." in rehearse(canvas, person).text


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_component_is_rehearsed_although_nothing_is_chosen(rehearse, canvas, person, kind):
    settings = KINDS[kind].first_settings()
    step = Step.objects.create(canvas=canvas, kind=kind, settings=settings)
    page = rehearse(canvas, person)
    assert (page.status, page.path) == (200, [step.pk])
    is_set_up = KINDS[kind].is_set_up(step)
    assert ("Not set up yet" in page.stop(step)) == (not is_set_up)


def test_a_viewer_sees_no_text_of_an_attribute(rehearse, canvas, person, vera):
    step = split(canvas, {"field": "custom.plan", "op": "exists"})
    assert "this person: gold" in rehearse(canvas, person).stop(step)
    assert "this person: ***" in rehearse(canvas, person, user=vera).stop(step)


def test_a_time_can_be_chosen_in_the_time_zone_of_the_group(rehearse, canvas, acme, person):
    acme.time_zone = "Europe/Berlin"
    acme.save()
    delay = Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 2, "unit": "days"})
    text = rehearse(canvas, person, at="2026-12-01T14:00").stop(delay)
    assert "Comes here: 1 Dec 2026, 14:00 CET" in text
    assert "Waits until 3 Dec 2026, 14:00 CET" in text


def test_a_condition_after_a_delay_is_evaluated_at_the_end_of_the_delay(
    rehearse, canvas, acme, person
):
    Event.objects.create(
        app_group=acme, profile=person, kind="event", name="order", at="2026-12-01T12:00Z"
    )
    condition = {"event": "order", "op": "at_least", "n": 1, "days": 3}
    delay = Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 4, "unit": "days"})
    late = Step.objects.create(
        canvas=canvas, kind="decision_split", settings={"filter": condition}, parent=delay
    )
    at = "2026-12-01T14:00"
    assert "Not met:" in rehearse(canvas, person, at=at).stop(late)
    Step.objects.filter(pk=delay.pk).update(settings={"amount": 1, "unit": "days"})
    assert "Not met:" not in rehearse(canvas, person, at=at).stop(late)


def test_the_view_is_logged_for_those_who_see_personal_data(rehearse, canvas, person, bob, vera):
    viewed = Activity.objects.filter(subject=person.braze_id)
    rehearse(canvas, person, user=vera)
    assert not viewed.exists()
    rehearse(canvas, person, user=bob)
    assert viewed.count() == 1


@pytest.mark.parametrize(
    ("who", "chosen"), [("typical", "fine"), ("no_email", "plain"), ("no_consent", "refuses")]
)
def test_a_person_of_a_sort_is_chosen_from_the_segment(rehearse, canvas, acme, who, chosen):
    canvas.segment.filter = {"field": "country", "op": "is", "value": "DE"}
    canvas.segment.save()
    fields = {"app_group": acme, "country": "DE", "email": MAX, "email_sha256": b"m" * 32}
    outside = {"country": "", "email": "", "email_sha256": None, "ads_consent": False}
    Profile.objects.create(**fields | outside, external_id="outside")
    Profile.objects.create(**fields, ads_consent=False, external_id="refuses")
    Profile.objects.create(app_group=acme, country="DE", external_id="plain")
    Profile.objects.create(**fields, external_id="fine")
    answer = rehearse(canvas, who=who, at="2026-12-01T14:00").answer
    expected = Profile.objects.get(external_id=chosen)
    assert answer["Location"].endswith(f"rehearse/?at=2026-12-01T14%3A00&person={expected.pk}")


def test_it_says_that_there_is_no_person_of_a_sort(rehearse, canvas):
    assert "No one is without consent." in rehearse(canvas, who="no_consent").text


def test_the_page_in_german(signed_in, bob, canvas, person):
    wait = {"amount": 1, "unit": "days"}
    event = {"number": 1, "label": "Kauf", "kind": "event", "name": "order"}
    Step.objects.create(canvas=canvas, kind="wait_until", settings=wait | {"events": [event]})
    at = {"person": person.pk, "at": "2026-12-01T14:00"}
    headers = {"Accept-Language": "de"}
    page = signed_in(bob).get(f"{canvas.get_absolute_url()}rehearse/", at, headers=headers)
    text = " ".join(re.sub("<[^>]+>", "", page.content.decode()).split())
    assert "wenn vor 02.12.2026, 14:00 Uhr UTC das Ereignis „order“ eintritt" in text


def test_a_branch_that_is_not_taken_says_what_it_leads_to(rehearse, canvas, person):
    row = {"number": 1, "label": "Order", "kind": "event", "name": "order", "where": []}
    wait = {"amount": 3, "unit": "days", "events": [row]}
    first = Step.objects.create(canvas=canvas, kind="wait_until", settings=wait)
    for branch, days in ((1, 5), (8, 6)):
        settings = {"amount": days, "unit": "days"}
        inside = {"canvas": canvas, "kind": "delay", "settings": settings}
        delay = Step.objects.create(parent=first, branch=branch, **inside)
        Step.objects.create(canvas=canvas, kind="exit", parent=delay)

    text = rehearse(canvas, person).stop(first)

    assert "then: 2 Wait 5 days › 3 People leave the canvas" in text
    assert "Wait 6 days" not in text
