"""A step has three tabs; the last one says who would be sent, and lists ten people per number."""

import re

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases.models import Canvas
from canvases.views import prospect_tab

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def words(answer):
    return " ".join(answer.content.decode().split())


@pytest.fixture
def step(bob_editor, winback, people):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback, kinds=["email", "phone"])
    return step


@pytest.mark.parametrize(
    ("tab", "shown"),
    [("settings", 'id="step-form"'), ("numbers", "data-metric"), ("who", 'id="who"')],
)
def test_each_tab_has_an_address(bob_editor, step, tab, shown):
    page = words(bob_editor.get(step=step.pk, tab=tab))

    assert shown in page
    marked = page.split(f'id="tab-{tab}"')[1].split("</a>")[0]
    assert 'aria-current="true"' in marked
    assert page.split('class="panel-tabs"')[1].split("</nav>")[0].count("aria-current") == 1


@pytest.mark.parametrize(("state", "shown"), [("draft", "step-form"), ("live", "data-metric")])
def test_a_live_canvas_opens_with_the_numbers(bob_editor, step, state, shown):
    Canvas.objects.update(state=state, launched_at=timezone.now())

    for query in ({}, {"tab": "no such tab"}):
        assert shown in words(bob_editor.get(step=step.pk, **query))


def test_a_saved_step_of_a_live_canvas_stays_at_its_settings(bob_editor, step, winback):
    Canvas.objects.update(state="live", launched_at=timezone.now())

    answer = bob_editor.save_sync(step, winback, htmx=True, kinds=["email"])

    assert "step-form" in words(answer)
    assert answer["HX-Push-Url"].endswith(f"?step={step.pk}&tab=settings")


@pytest.mark.parametrize("key", ["", "all", "here", "sent", "email", "no_consent"])
def test_without_an_entry_no_one_would_come(bob_editor, step, key):
    Canvas.objects.update(segment=None)
    answer = bob_editor.get(step=step.pk, tab="who", people=key)

    assert answer.status_code == 200
    assert answer.context["outlook"].here.n == answer.context["outlook"].sent.n == 0
    assert answer.context["people"] == []


def test_who_would_be_sent_with_what_and_who_not(bob_editor, step):
    page = words(bob_editor.get(step=step.pk, tab="who"))

    rows = [row.split("</tr>")[0] for row in page.split('id="who"')[1].split("<tr>")[1:]]
    texts = [" ".join(re.sub("<[^>]*>", " ", row).split()) for row in rows]
    assert [text.removesuffix(" people: show them") for text in texts] == [
        "Would enter at a launch now 12",
        "Come to this component 12",
        "People 10",
        "E-mail 10",
        "Phone 2",
        "None of the chosen fields is filled 2",
    ]
    assert "With the 5,000 people in the audience now, enough for the 1,000 matched people" in page


def test_a_number_lists_ten_people(bob_editor, step):
    page = words(bob_editor.get(step=step.pk, tab="who", people="email"))

    assert page.split('id="who-people"')[1].split("</ul>")[0].count("<li>") == 10
    assert "p0@example.org" in page
    assert Activity.objects.filter(verb="viewed").count() == 1


@pytest.mark.parametrize("key", ["x", "branch-1", "\0", "no_identifier' OR 1=1", "a" * 5000])
def test_an_unknown_number_has_no_people(bob_editor, step, key):
    answer = bob_editor.get(step=step.pk, tab="who", people=key)

    assert answer.status_code == 200
    assert answer.context["people"] == []


def test_the_people_are_masked_for_viewers(editor_of, vera, step, canvas):
    page = words(editor_of(vera, canvas).get(step=step.pk, tab="who", people="sent"))

    assert "p***@e***.org" in page
    assert "p0@example.org" not in page
    assert not Activity.objects.filter(verb="viewed").exists()


def test_a_split_without_a_condition_is_named(bob_editor, step, winback):
    split = bob_editor.add_step("decision_split")
    step.refresh_from_db()

    page = words(bob_editor.get(step=step.pk, tab="who"))

    assert "component 1 (Decision split) is not complete." in page
    assert (
        f'href="{bob_editor.canvas.get_absolute_url()}?step={split.pk}&amp;tab=settings#panel"'
        in page
    )


@pytest.mark.parametrize(
    ("query", "text"),
    [({}, "counting …"), ({"wait": 1}, "Counting took too long and was stopped.")],
)
def test_counting_has_a_time_limit(bob_editor, step, monkeypatch, query, text):
    def stopped(execute, sql, *rest):
        if 'AS "total"' in sql:
            raise OperationalError("interrupted")
        return execute(sql, *rest)

    for name in ("FIRST_SECONDS", "MOST_SECONDS"):
        monkeypatch.setattr(prospect_tab, name, 0.0)
    with connection.execute_wrapper(stopped):
        page = words(bob_editor.get(step=step.pk, tab="who", **query))

    assert text in page
    assert ("hx-trigger" in page.split('id="who"')[1].split("</section>")[0]) is (not query)


def test_the_menu_of_a_component_offers_what_can_be_done_with_it(bob_editor):
    first = bob_editor.add_step("delay")
    last = bob_editor.add_step("exit", after=first)

    def offered(step):
        page = bob_editor.get(step=step.pk).content.decode()
        acts = ('value="up"', 'value="down"', "?place=", "/copy/", "?remove=")
        menu = page.partition('id="panel-more"')[2].partition("</details>")[0]
        return [act for act in acts if act in menu]

    assert offered(first) == ['value="down"', "?place=", "/copy/", "?remove="]
    assert offered(last) == ['value="up"', "?place=", "?remove="]
    bob_editor.canvas.state = "live"
    bob_editor.canvas.save()
    assert offered(first) == []
