"""The answer to an edit by htmx is the changed page, whose data are read once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from canvases.models import Step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

# The numbers on the cards: one query reads them for all steps of a canvas.
NUMBERS = 'FROM "canvases_step" LEFT OUTER JOIN "canvases_steptally"'
MOST_QUERIES_OF_A_SAVE = 50


@pytest.fixture
def step(bob_editor, winback, people):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    bob_editor.add_step("delay", after=step)
    return step


def save(bob_editor, step, winback):
    return bob_editor.save_sync(step, winback, htmx=True, kinds=["phone"])


EDITS = {
    "save": save,
    "entry": lambda bob_editor, step, winback: bob_editor.post(
        "canvas_entry", htmx=True, version=1, name="Basket", segment=bob_editor.canvas.segment_id
    ),
    "add": lambda bob_editor, step, winback: bob_editor.post("step_add", htmx=True, kind="delay"),
    "move": lambda bob_editor, step, winback: bob_editor.post(
        "step_move", step.pk, htmx=True, to="down"
    ),
    "remove": lambda bob_editor, step, winback: bob_editor.post("step_remove", step.pk, htmx=True),
    "launch": lambda bob_editor, step, winback: bob_editor.post("canvas_launch", htmx=True),
    "stop": lambda bob_editor, step, winback: bob_editor.post("canvas_stop", htmx=True),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reads_the_page_once(edit, bob_editor, step, winback):
    with CaptureQueriesContext(connection) as queries:
        answer = EDITS[edit](bob_editor, step, winback)

    assert answer.status_code == 200
    assert 'id="flow"' in answer.content.decode()
    assert len([query for query in queries if NUMBERS in query["sql"]]) == 1


def test_a_save_of_a_step_takes_a_limited_number_of_queries(bob_editor, step, winback):
    for _n in range(5):
        bob_editor.add_step("delay", after=Step.objects.filter(kind="delay").latest("pk"))

    with CaptureQueriesContext(connection) as queries:
        save(bob_editor, step, winback)

    assert len(queries) <= MOST_QUERIES_OF_A_SAVE, len(queries)


def test_the_queries_of_the_counters_do_not_grow_with_the_steps(bob_editor, step, winback):
    def queries():
        with CaptureQueriesContext(connection) as found:
            bob_editor.get("canvas_counts", htmx=True)
        return len(found)

    queries()
    one = queries()
    for _n in range(3):
        bob_editor.save_sync(bob_editor.add_step("audience_sync", after=step), winback)
    assert queries() == one
