"""The same URLs answer htmx with fragments and other clients with the page."""

import json

import pytest

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def step(bobs):
    return bobs.add("delay")


def test_a_link_opens_the_page_without_javascript(bobs, step):
    page = bobs.get(step=step.pk).content.decode()

    assert page.lstrip().startswith("<!doctype html>")
    assert 'id="id_amount"' in page
    assert f'id="card-{step.pk}"' in page
    assert "Refresh numbers" in page


def test_htmx_gets_the_panel_and_the_flow_out_of_band(bobs, step):
    answer = bobs.get(step=step.pk, htmx=True)

    body = answer.content.decode()
    assert "<html" not in body
    assert body.index('id="panel"') < body.index('id="flow"')
    assert 'hx-swap-oob="morph"' in body.split('id="flow"')[1].split(">")[0]
    assert "hx-swap-oob" not in body.split('id="panel"')[1].split(">")[0]
    assert "HX-Request" in answer["Vary"]


def test_a_history_restore_gets_the_whole_page(bobs, step):
    headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}

    assert "<html" in bobs.client.get(bobs.url("canvas"), headers=headers).content.decode()


def test_a_save_returns_the_changed_step_and_a_toast(bobs, step):
    answer = bobs.post("step", step.pk, htmx=True, version=1, amount=3, unit="hours")

    body = answer.content.decode()
    assert answer.status_code == 200
    assert "Wait 3 hours" in body.split('id="flow"')[1]
    assert 'name="version" value="2"' in body
    assert json.loads(answer["HX-Trigger"])["toast"]["text"] == "Saved."
    assert answer["HX-Push-Url"].endswith(f"?step={step.pk}")


def test_an_invalid_form_returns_the_same_fragment(bobs, step):
    answer = bobs.post("step", step.pk, htmx=True, version=1, amount=0, unit="hours")

    body = answer.content.decode()
    assert answer.status_code == 422
    assert "<html" not in body
    assert 'href="#id_amount"' in body
    assert 'aria-invalid="true"' in body


def test_an_added_step_is_opened(bobs, step):
    body = bobs.post("step_add", htmx=True, kind="audience_sync", after=step.pk).content.decode()

    assert 'id="id_ad_account"' in body
    assert "has-problem" not in body
    assert body.count('class="step is-new"') == 1


def test_a_removal_closes_the_panel(bobs, step):
    answer = bobs.post("step_remove", step.pk, htmx=True)

    body = answer.content.decode()
    assert f'id="card-{step.pk}"' not in body
    assert "step-form" not in body
    assert answer["HX-Push-Url"] == bobs.canvas.get_absolute_url()


def test_a_conflict_returns_a_fragment(bobs, step):
    bobs.canvas.state = "live"
    bobs.canvas.save()

    answer = bobs.post("step_remove", step.pk, htmx=True)

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
def test_an_invalid_query_shows_the_plain_page(bobs, step, query):
    assert bobs.get(**query).status_code == 200


def test_changes_need_a_post(bobs, step):
    for name, *args in [
        ("step", step.pk),
        ("step_remove", step.pk),
        ("canvas_launch",),
        ("canvas_stop",),
    ]:
        assert bobs.get(name, *args).status_code == 405
