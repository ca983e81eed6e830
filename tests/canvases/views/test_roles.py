"""Marketers edit and launch, viewers read, other users get 404."""

import pytest
from django.urls import get_resolver

from canvases.models import Canvas, Step
from canvases.recipes import RECIPES
from canvases.urls import urlpatterns

pytestmark = pytest.mark.django_db


@pytest.fixture
def step(canvas):
    return Step.objects.create(canvas=canvas, kind="delay", settings={"amount": 1, "unit": "days"})


EDITS = {
    "canvas_entry": {"name": "X", "version": 1},
    "canvas_archive": {},
    "canvas_duplicate": {},
    "canvas_brake": {"n": "1"},
    "canvas_launch": {},
    "canvas_undo": {},
    "canvas_stop": {},
    "step_add": {"kind": "delay", "after": "first"},
    "step": {"version": 1, "amount": 2, "unit": "days"},
    "step_move": {"to": "up"},
    "step_place": {"after": "first"},
    "step_copy": {},
    "step_remove": {},
    "step_audience": {},
    "step_retry": {},
    "step_people_retry": {"number": "errored"},
}


def arguments(name, step):
    return [step.pk] if name.startswith("step") and name != "step_add" else []


@pytest.mark.parametrize("name", EDITS)
def test_a_viewer_may_not_edit(editor_of, vera, step, name):
    before = Canvas.objects.values().get(), list(Step.objects.values())

    answer = editor_of(vera).post(name, *arguments(name, step), **EDITS[name])

    assert answer.status_code == 403
    assert (Canvas.objects.values().get(), list(Step.objects.values())) == before


@pytest.mark.parametrize("name", EDITS)
def test_a_marketer_may_edit(bob_editor, step, name):
    assert bob_editor.post(name, *arguments(name, step), **EDITS[name]).status_code in (
        200,
        302,
        422,
    )


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_a_user_of_another_group_gets_404(editor_of, charlie, step, pattern):
    charlies = editor_of(charlie)
    path = f"/g/acme/canvases/{pattern.pattern}"
    parts = {
        "<int:canvas_id>": str(step.canvas_id),
        "<int:step_id>": str(step.pk),
        "<slug:recipe>": next(iter(RECIPES)),
    }
    for part, value in parts.items():
        path = path.replace(part, value)

    assert get_resolver().resolve(path).url_name == pattern.name
    assert {charlies.client.get(path).status_code, charlies.client.post(path).status_code} <= {
        404,
        405,
    }
    assert 404 in {charlies.client.get(path).status_code, charlies.client.post(path).status_code}


@pytest.mark.parametrize("pattern", urlpatterns, ids=lambda pattern: pattern.name)
def test_a_canvas_is_404_under_another_group(editor_of, charlie, step, pattern):
    if "canvas_id" not in str(pattern.pattern):
        return
    charlies = editor_of(charlie)
    path = f"/g/umbrella/canvases/{pattern.pattern}"
    parts = {
        "<int:canvas_id>": str(step.canvas_id),
        "<int:step_id>": str(step.pk),
        "<slug:recipe>": next(iter(RECIPES)),
    }
    for part, value in parts.items():
        path = path.replace(part, value)

    assert 404 in {charlies.client.get(path).status_code, charlies.client.post(path).status_code}


def test_a_step_of_another_canvas_is_404(bob_editor, step, acme):
    other = Canvas.objects.create(app_group=acme, name="Other")
    elsewhere = Step.objects.create(
        canvas=other, kind="delay", settings={"amount": 1, "unit": "days"}
    )

    assert bob_editor.post("step_remove", elsewhere.pk).status_code == 404
    assert bob_editor.post("step_add", kind="delay", after=elsewhere.pk).status_code == 404


def test_a_viewer_gets_no_buttons(editor_of, vera, step):
    page = editor_of(vera).get(step=step.pk).content.decode()

    assert "<fieldset disabled>" in page
    assert "Launch" not in page
    assert 'name="kind"' not in editor_of(vera).get(add="first").content.decode()


def test_huge_ids_are_404(bob_editor):
    assert bob_editor.client.get("/g/acme/canvases/99999999999999999999999999/").status_code == 404
    assert (
        bob_editor.client.post("/g/acme/canvases/1/steps/99999999999999999999999999/").status_code
        == 404
    )


def test_an_anonymous_user_is_sent_to_the_login(client, canvas):
    answer = client.get(canvas.get_absolute_url())

    assert answer.status_code == 302
    assert "login" in answer["Location"]
