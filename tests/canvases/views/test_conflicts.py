"""A stale save shows both values and overwrites nothing."""

import pytest

from canvases.models import Canvas

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize("htmx", [True, False])
def test_a_stale_step_shows_both_values(bob_editor, htmx):
    step = bob_editor.add_step("delay")
    bob_editor.post("step", step.pk, version=1, amount=5, unit="hours")

    answer = bob_editor.post("step", step.pk, htmx=htmx, version=1, amount=7, unit="minutes")

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "Another person saved this in the meantime" in page
    row = page.split('<th scope="row">How long</th>')[1].split("</tr>")[0]
    assert "<bdi>7</bdi>" in row
    assert "<bdi>5</bdi>" in row
    step.refresh_from_db()
    assert step.settings == {"amount": 5, "unit": "hours"}


def test_a_second_save_after_the_warning_overwrites(bob_editor):
    step = bob_editor.add_step("delay")
    bob_editor.post("step", step.pk, version=1, amount=5, unit="hours")
    warned = bob_editor.post("step", step.pk, version=1, amount=7, unit="hours")

    assert '<input type="hidden" name="version" value="2">' in warned.content.decode()
    bob_editor.post("step", step.pk, version=2, amount=7, unit="hours")

    step.refresh_from_db()
    assert step.settings["amount"] == 7


def test_the_same_save_twice_is_no_conflict(bob_editor):
    step = bob_editor.add_step("delay")

    answers = [
        bob_editor.post("step", step.pk, version=1, amount=5, unit="hours") for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [302, 302]


def test_a_stale_entry_shows_both_values(bob_editor, canvas, segment):
    bob_editor.post("canvas_entry", version=1, name="First", segment=segment.pk, description="")

    answer = bob_editor.post(
        "canvas_entry", version=1, name="Second", segment=segment.pk, description=""
    )

    assert answer.status_code == 409
    page = answer.content.decode()
    assert "<bdi>Second</bdi>" in page
    assert "<bdi>First</bdi>" in page
    canvas.refresh_from_db()
    assert canvas.name == "First"


@pytest.mark.parametrize("version", ["", "x", "99999999999999999999999999", "-5", "\0", "1" * 5000])
def test_an_invalid_version_is_stale(bob_editor, version):
    step = bob_editor.add_step("delay")

    assert (
        bob_editor.post("step", step.pk, version=version, amount=5, unit="hours").status_code == 409
    )
    assert (
        bob_editor.post(
            "canvas_entry", version=version, name="X", segment=bob_editor.canvas.segment_id
        ).status_code
        == 409
    )


def test_the_segment_of_a_launched_canvas_is_not_changed(bob_editor, canvas, acme):
    Canvas.objects.filter(pk=canvas.pk).update(state="stopped")
    other = acme.segments.create(name="Others")

    answer = bob_editor.post(
        "canvas_entry", version=1, name="New name", segment=other.pk, description=""
    )

    assert answer.status_code == 302
    canvas.refresh_from_db()
    assert (canvas.name, canvas.segment.name) == ("New name", "Everybody")
