"""An edit answers htmx with the changed page; the data of that page are read once."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from canvases.models import Step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

# The numbers on the cards: one query reads them for all steps of a canvas.
NUMBERS = 'FROM "canvases_step" LEFT OUTER JOIN "canvases_steptally"'
MOST_QUERIES_OF_A_SAVE = 50


@pytest.fixture
def step(bobs, winback, people):
    made = bobs.add("audience_sync")
    bobs.set_up(made, winback)
    bobs.add("delay", after=made)
    return made


def save(bobs, step, winback):
    return bobs.set_up(step, winback, htmx=True, kinds=["phone"])


EDITS = {
    "save": save,
    "entry": lambda bobs, step, winback: bobs.post(
        "canvas_entry", htmx=True, version=1, name="Basket", segment=bobs.canvas.segment_id
    ),
    "add": lambda bobs, step, winback: bobs.post("step_add", htmx=True, kind="delay"),
    "move": lambda bobs, step, winback: bobs.post("step_move", step.pk, htmx=True, to="down"),
    "remove": lambda bobs, step, winback: bobs.post("step_remove", step.pk, htmx=True),
    "launch": lambda bobs, step, winback: bobs.post("canvas_launch", htmx=True),
    "stop": lambda bobs, step, winback: bobs.post("canvas_stop", htmx=True),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_reads_the_page_once(edit, bobs, step, winback):
    with CaptureQueriesContext(connection) as queries:
        answer = EDITS[edit](bobs, step, winback)

    assert answer.status_code == 200
    assert 'id="flow"' in answer.content.decode()
    assert len([one for one in queries if NUMBERS in one["sql"]]) == 1


def test_a_save_of_a_step_takes_few_queries_however_many_steps_there_are(bobs, step, winback):
    for _n in range(5):
        bobs.add("delay", after=Step.objects.filter(kind="delay").latest("pk"))

    with CaptureQueriesContext(connection) as queries:
        save(bobs, step, winback)

    assert len(queries) <= MOST_QUERIES_OF_A_SAVE, len(queries)


def test_the_counters_take_as_many_queries_however_many_steps_send_people(bobs, step, winback):
    def queries():
        with CaptureQueriesContext(connection) as found:
            bobs.get("canvas_counts", htmx=True)
        return len(found)

    queries()
    one = queries()
    for _n in range(3):
        bobs.set_up(bobs.add("audience_sync", after=step), winback)
    assert queries() == one
