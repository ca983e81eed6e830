"""A new group sees its first steps, ticked by its data, until the first launch."""

import pytest

from canvases.models import Canvas

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
URL = "/g/acme/overview/"


def steps(client):
    """Return title, is_done and url of each step."""
    return [
        (step.title, step.is_done, step.url)
        for step in client.get(URL).context["first_steps"].steps
    ]


def test_an_empty_group_has_four_steps_and_one_primary_button(acme, alice, signed_in):
    page = signed_in(alice).get(URL)

    assert [
        (step.title, step.is_done, bool(step.url)) for step in page.context["first_steps"].steps
    ] == [
        ("Connect TikTok", False, True),
        ("Bring people in", False, True),
        ("Build your first canvas", False, True),
        ("Launch it", False, False),
    ]
    assert (
        page.content.decode().split("<main")[1].split("</main>")[0].count("btn-primary") == 1
    )  # the next step


def test_steps_are_ticked_by_the_data(bob_editor, people, eu, winback):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)

    first_steps = steps(bob_editor.client)

    assert [is_done for _title, is_done, _url in first_steps] == [True, True, True, False]
    assert first_steps[-1][2] == f"{bob_editor.canvas.get_absolute_url()}?launch=1"


def test_a_canvas_without_steps_is_not_built(bob_editor):
    assert steps(bob_editor.client)[2][1] is False


def test_the_first_launch_hides_the_list(bob_editor, people, eu, winback):
    step = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(step, winback)
    bob_editor.post("canvas_launch")

    assert Canvas.objects.get().launched_at
    assert "first_steps" not in bob_editor.client.get(URL).context


def test_a_viewer_gets_no_links(acme, vera, signed_in):
    assert [url for _title, _is_done, url in steps(signed_in(vera))] == ["", "", "", ""]
