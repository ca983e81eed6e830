"""Save the entry form of a canvas."""

import pytest


@pytest.fixture
def save(bob_editor, canvas):
    """save(**fields) -> the response; the canvas is refreshed from the database."""

    def post(*, htmx=False, **fields):
        canvas.refresh_from_db()
        form = {"version": canvas.version, "name": "Cart", "entry_by": "launch"}
        answer = bob_editor.post("canvas_entry", htmx=htmx, **(form | fields))
        canvas.refresh_from_db()
        return answer

    return post
