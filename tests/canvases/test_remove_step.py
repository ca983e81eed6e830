"""Removing a step from a draft runs no query that grows with the visits of other canvases."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.editing import edit


def test_removing_a_step_reads_visits_by_index_only(canvas_world):
    canvas, [step] = canvas_world.create_canvas(("delay", {"days": 1}))
    with CaptureQueriesContext(connection) as queries:
        edit.remove(step, by=canvas_world.user, now=timezone.now())
    statements = [query["sql"] for query in queries if "canvases_visit" in query["sql"]]
    assert [sql for sql in statements if "left_at" not in sql] == []
    assert not canvas.steps.exists()
