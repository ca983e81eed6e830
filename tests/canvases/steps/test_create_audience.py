"""Create audience in the step editor creates one audience and saves it with the form."""

import re

import pytest

from partners.models import Audience
from tiktok_sandbox.seed import EU

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor, sandbox):
    return bob_editor.add_step("audience_sync")


def create(editor, step, account, *, htmx=True, **more):
    data = {
        "version": step.version,
        "ad_account": account.pk,
        "audience": "",
        "audience_name": "cart 🛒",
        "action": "add",
    }
    return editor.post(
        "step_audience", step.pk, htmx=htmx, **(data | {"kinds": ["email", "phone"]} | more)
    )


def selected_audience(page):
    """Return the name of the selected audience."""
    select = page.split('name="audience"')[1].split("</select>")[0]
    return next(
        re.search('data-name="([^"]*)"', option)[1]
        for option in select.split("<option")
        if "selected" in option
    )


def named(sandbox, name):
    return [row for row in sandbox.audiences.of(EU) if row.name == name]


def test_an_audience_is_created_selected_and_saved(bob_editor, step, eu, sandbox):
    answer = create(bob_editor, step, eu)

    assert answer.status_code == 200
    page = answer.content.decode()
    assert (
        "“cart 🛒” was created as a new audience"
        in page.split('id="panel"')[1].split("card-header")[0]
    )
    step.refresh_from_db()
    assert (step.sync.audience.name, step.sync.kinds) == ("cart 🛒", ["email", "phone"])
    assert selected_audience(page) == "cart 🛒"
    assert len(named(sandbox, "cart 🛒")) == 1


def test_without_javascript_the_page_shows_the_message(bob_editor, step, eu, canvas):
    answer = create(bob_editor, step, eu, htmx=False)

    assert answer["Location"] == f"{canvas.get_absolute_url()}?step={step.pk}"
    assert (
        "“cart 🛒” was created as a new audience" in bob_editor.get(step=step.pk).content.decode()
    )


def test_a_double_click_creates_one_audience(bob_editor, step, eu, sandbox):
    answers = [create(bob_editor, step, eu) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(named(sandbox, "cart 🛒")) == 1
    assert Audience.objects.filter(name="cart 🛒").count() == 1


def test_an_incomplete_form_keeps_its_values(bob_editor, step, eu, sandbox):
    answer = create(bob_editor, step, eu, kinds=[], action="remove")

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "was created as a new audience" in page
    assert "Choose at least one field to match." in page
    assert selected_audience(page) == "cart 🛒"
    assert (
        'value="remove"' in page.split('id="id_action"')[1].split("checked")[0].split("<input")[-1]
    )
    step.refresh_from_db()
    assert step.sync is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Type a name for the audience."),
        ("x" * 71, "The name is too long"),
        ("a@example.org", "Personal data do not belong in a name."),
        ("a\u202eb", "characters that cannot be seen"),
        ("a\0b", "characters that cannot be seen"),
        ("Newsletter readers", "exists already"),
    ],
)
@pytest.mark.parametrize("htmx", [True, False])
def test_an_invalid_name_has_a_clear_error(bob_editor, step, eu, sandbox, name, words, htmx):
    before = len(sandbox.audiences.of(EU))

    answer = create(bob_editor, step, eu, audience_name=name, htmx=htmx)

    assert answer.status_code == 422
    page = answer.content.decode()
    assert words in page
    assert re.search(rf'value="{eu.pk}"\s+selected', page)
    assert page.split('id="id_kinds"')[1].count("checked") == 2
    assert len(sandbox.audiences.of(EU)) == before


def test_a_missing_ad_account_has_a_clear_error(bob_editor, step, eu):
    answer = create(bob_editor, step, eu, ad_account="")

    assert answer.status_code == 422
    assert "Choose an ad account." in answer.content.decode()


def test_a_failing_tiktok_has_a_clear_error(bob_editor, step, eu, sandbox):
    eu.connection.set_token("wrong")
    eu.connection.save()

    answer = create(bob_editor, step, eu)

    assert answer.status_code == 422
    assert "no longer accepts our access" in answer.content.decode()


def test_choosing_an_ad_account_reads_its_audiences(bob_editor, step, eu):
    page = bob_editor.get(
        "step_choices", step.pk, ad_account=eu.pk, audience_name="news", htmx=True
    ).content.decode()

    assert page.strip().startswith('<div id="audience-fields"')
    assert 'data-name="Newsletter readers"' in page
    assert 'value="news"' in page
    lookalike = next(
        option for option in page.split("<option") if "Customers of last year" in option
    )
    assert " disabled" in lookalike


def test_the_list_is_read_once_a_minute(bob_editor, step, eu, sandbox):
    for _ in range(3):
        bob_editor.get("step_choices", step.pk, ad_account=eu.pk, htmx=True)

    assert (
        len([line for line in sandbox.log.all() if line.endpoint == "dmp/custom_audience/list"])
        == 1
    )


def test_without_javascript_the_form_shows_the_audiences(bob_editor, step, eu):
    answer = bob_editor.post(
        "step_choices",
        step.pk,
        ad_account=eu.pk,
        audience_name="my cart",
        action="add",
        kinds=["gaid"],
    )

    page = answer.content.decode()
    assert answer.status_code == 200
    assert 'data-name="Newsletter readers"' in page
    assert 'value="my cart"' in page
    step.refresh_from_db()
    assert step.settings == {}


def test_an_ad_account_of_another_group_shows_no_audience(bob_editor, step, other_group, eu):
    page = bob_editor.get(
        "step_choices", step.pk, ad_account=str(eu.pk + 1), htmx=True
    ).content.decode()

    assert "data-name" not in page
