"""Rows of the entry panel are added, removed and tried without a script; nothing is stored."""

import pytest

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

ROW = {
    "exit-TOTAL_FORMS": 1,
    "exit-INITIAL_FORMS": 0,
    "exit-0-kind": "event",
    "exit-0-name": "login",
}
TIMES = {"entry_by": "schedule", "every": "day", "on": "2126-03-01", "at": "14:00"}


def page_of(bob_editor, **fields):
    answer = bob_editor.post("canvas_entry", version=1, name="Typed", **fields)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_row_is_added_and_what_was_typed_stays(bob_editor, canvas):
    page = page_of(bob_editor, add_exit=1, **ROW)

    assert 'name="exit-0-name" class="form-control" value="login"' in page
    assert 'name="exit-1-name"' in page
    assert 'value="Typed"' in page
    canvas.refresh_from_db()
    assert canvas.name == "Cart"


def test_a_row_is_removed(bob_editor):
    page = page_of(bob_editor, remove_exit=0, **ROW)

    assert "exit-0-name" not in page


def test_more_than_ten_rows_are_not_offered(bob_editor):
    rows = {f"exit-{n}-name": f"e{n}" for n in range(10)}

    page = page_of(bob_editor, add_exit=1, **rows, **{"exit-TOTAL_FORMS": 10})

    assert 'name="exit-9-name"' in page
    assert 'name="exit-10-name"' not in page


def test_a_preview_shows_the_next_three_times_in_the_zone_of_the_group(bob_editor, acme):
    acme.time_zone = "Europe/Berlin"
    acme.save()

    page = page_of(bob_editor, preview=1, **TIMES)

    for day in (1, 2, 3):
        assert f"2126-03-0{day}T14:00:00+01:00" in page


def test_the_times_follow_the_fields_while_they_are_edited(bob_editor):
    answer = bob_editor.get("canvas_runs", htmx=True, **TIMES)

    assert answer.content.decode().count("<time") == 3


@pytest.mark.parametrize("fields", [{}, TIMES | {"at": ""}, TIMES | {"every": "\0"}])
def test_an_incomplete_schedule_has_a_reason_instead_of_times(bob_editor, fields):
    answer = bob_editor.get("canvas_runs", htmx=True, **fields)

    assert answer.status_code == 200
    assert "<time" not in answer.content.decode()
