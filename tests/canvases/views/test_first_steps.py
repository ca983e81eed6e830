"""A new group sees what to do first; a tick stands for what the data say, and the list goes with the first launch."""

import pytest

from canvases.models import Canvas

pytestmark = pytest.mark.django_db
URL = "/g/acme/canvases/"


def steps(client):
    """Title, done and address of each step."""
    return [
        (step.title, step.is_done, step.url)
        for step in client.get(URL).context["first_steps"].steps
    ]


def test_an_empty_group_gets_four_steps_with_one_button_each(acme, alice, signed_in):
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


def test_the_steps_tick_themselves(bobs, people, eu, winback):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)

    found = steps(bobs.client)

    assert [is_done for _title, is_done, _url in found] == [True, True, True, False]
    assert found[-1][2] == f"{bobs.canvas.get_absolute_url()}?launch=1"


def test_a_canvas_without_a_component_is_not_built_yet(bobs):
    assert steps(bobs.client)[2][1] is False


def test_the_list_goes_with_the_first_launch(bobs, people, eu, winback):
    step = bobs.add("audience_sync")
    bobs.set_up(step, winback)
    bobs.post("canvas_launch")

    assert Canvas.objects.get().launched_at
    assert bobs.client.get(URL).context["first_steps"] is None


def test_a_viewer_is_offered_nothing_that_is_refused(acme, vera, signed_in):
    assert [url for _title, _is_done, url in steps(signed_in(vera))] == ["", "", "", ""]
