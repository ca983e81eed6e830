"""The entry form of a canvas."""

import pytest


@pytest.fixture
def save(bobs, canvas):
    """save(**fields) -> the answer; the canvas is read again."""

    def post(*, htmx=False, **fields):
        canvas.refresh_from_db()
        base = {"version": canvas.version, "name": "Cart", "entry_by": "launch"}
        answer = bobs.post("canvas_entry", htmx=htmx, **(base | fields))
        canvas.refresh_from_db()
        return answer

    return post
