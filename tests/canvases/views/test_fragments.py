"""The same URLs answer htmx with fragments and other clients with the page."""

import json

import pytest

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bob_editor):
    return bob_editor.add_step("delay")


def test_a_link_opens_the_page_without_javascript(bob_editor, step):
    page = bob_editor.get(step=step.pk).content.decode()

    assert page.lstrip().startswith("<!doctype html>")
    assert 'id="id_amount"' in page
    assert f'id="card-{step.pk}"' in page
    assert "Refresh numbers" in page


def test_htmx_gets_the_panel_and_the_flow_out_of_band(bob_editor, step):
    answer = bob_editor.get(step=step.pk, htmx=True)

    body = answer.content.decode()
    assert "<html" not in body
    assert body.index('id="panel"') < body.index('id="flow"')
    assert 'hx-swap-oob="morph"' in body.split('id="flow"')[1].split(">")[0]
    assert "hx-swap-oob" not in body.split('id="panel"')[1].split(">")[0]
    assert "HX-Request" in answer["Vary"]


def test_a_history_restore_gets_the_whole_page(bob_editor, step):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}

    assert (
        "<html" in bob_editor.client.get(bob_editor.url("canvas"), headers=headers).content.decode()
    )


def test_a_save_returns_the_changed_step_and_a_toast(bob_editor, step):
    answer = bob_editor.post("step", step.pk, htmx=True, version=1, amount=3, unit="hours")

    body = answer.content.decode()
    assert answer.status_code == 200
    assert "Wait 3 hours" in body.split('id="flow"')[1]
    assert 'name="version" value="2"' in body
    assert json.loads(answer["HX-Trigger"])["toast"]["text"] == "Saved."
    assert answer["HX-Push-Url"].endswith(f"?step={step.pk}")


def test_an_invalid_form_returns_the_same_fragment(bob_editor, step):
    answer = bob_editor.post("step", step.pk, htmx=True, version=1, amount=0, unit="hours")

    body = answer.content.decode()
    assert answer.status_code == 422
    assert "<html" not in body
    assert 'href="#id_amount"' in body
    assert 'aria-invalid="true"' in body


def test_an_added_step_is_opened(bob_editor, step):
    body = bob_editor.post(
        "step_add", htmx=True, kind="audience_sync", after=step.pk
    ).content.decode()

    assert 'id="id_ad_account"' in body
    assert "has-problem" not in body
    assert body.count('class="step is-new"') == 1


def test_a_removal_closes_the_panel(bob_editor, step):
    answer = bob_editor.post("step_remove", step.pk, htmx=True)

    body = answer.content.decode()
    assert f'id="card-{step.pk}"' not in body
    assert "step-form" not in body
    assert answer["HX-Push-Url"] == bob_editor.canvas.get_absolute_url()


def test_a_conflict_returns_a_fragment(bob_editor, step):
    bob_editor.canvas.state = "live"
    bob_editor.canvas.save()

    answer = bob_editor.post("step_remove", step.pk, htmx=True)

    assert answer.status_code == 409
    assert "Stop it first." in answer.content.decode()
    assert "<html" not in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        {"step": "x"},
        {"step": "99999999999999999999"},
        {"step": "\0"},
        {"add": "x"},
        {"add": ""},
        {"reasons": 1},
    ],
)
def test_an_invalid_query_shows_the_plain_page(bob_editor, step, query):
    assert bob_editor.get(**query).status_code == 200


def test_changes_need_a_post(bob_editor, step):
    for name, *args in [
        ("step", step.pk),
        ("step_remove", step.pk),
        ("canvas_launch",),
        ("canvas_stop",),
    ]:
        assert bob_editor.get(name, *args).status_code == 405
