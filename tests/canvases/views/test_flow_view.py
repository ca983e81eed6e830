"""Zoom and folded branches are in the URL; lines are drawn only where people can go."""

import pytest

from canvases.models import Step

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def split(bob_editor):
    """A split whose first branch ends with an exit."""
    row = bob_editor.add_step("decision_split")
    bob_editor.add_step("exit", row, 1)
    bob_editor.add_step("delay", row, 2)
    return row


def test_folded_branches_say_what_they_hold(bob_editor, split):
    page = bob_editor.get(fold=split.pk, zoom="60").content.decode()

    assert page.count('class="folded"') == 2
    assert "1 component" in page
    assert 'class="flow zoom-60"' in page


@pytest.mark.parametrize("fold", ["", "x", "999", "99999999999999999999999", "\x00"])
def test_an_unknown_view_shows_the_default_one(bob_editor, split, fold):
    page = bob_editor.get(fold=fold, zoom="7").content.decode()

    assert 'class="folded"' not in page
    assert 'class="flow zoom-100"' in page


@pytest.mark.parametrize(("path", "n"), [("", 2), ("9/", 0)])
def test_a_page_keeps_the_view_of_the_page_that_opened_it(bob_editor, canvas, split, path, n):
    url = canvas.get_absolute_url()
    referer = f"http://testserver{url}{path}?fold={split.pk}"

    page = bob_editor.client.get(url, headers={"referer": referer}).content.decode()

    assert page.count('class="folded"') == n


def test_a_malformed_referer_is_ignored(bob_editor, canvas, split):
    answer = bob_editor.client.get(canvas.get_absolute_url(), headers={"referer": "http://["})

    assert answer.status_code == 200
    assert 'class="flow zoom-100"' in answer.content.decode()


def test_no_line_leads_out_of_a_branch_that_ends(bob_editor, split):
    page = bob_editor.get().content.decode()

    assert 'class="branches wipe-start"' in page
    assert 'class="branch merge-start merge-down"' in page


@pytest.mark.parametrize(("places", "zoom"), [([0], "40"), ([0, 1], "20"), ([0, 1, 2], "15")])
def test_zoom_to_fit_makes_a_flow_as_small_as_needed(bob_editor, canvas, places, zoom):
    """Blocks of eight branches are nested, each in a branch of the one before."""
    paths = [{"number": n, "name": str(n), "filter": {}} for n in range(1, 8)]
    parent = None
    for branch in places:
        place = {"parent": parent, "branch": branch}
        parent = Step.objects.create(
            canvas=canvas, kind="audience_paths", settings={"paths": paths}, **place
        )

    assert f'class="flow zoom-{zoom}"' in bob_editor.get(zoom="fit").content.decode()


def test_a_print_names_the_canvas(bob_editor, split):
    head = bob_editor.get().content.decode().partition('id="canvas-head"')
    assert "d-print-none" not in head[0].rpartition("<")[2]
    assert "d-print-none" not in head[2].partition("</h1>")[0]


def test_an_edit_is_announced(bob_editor, split):
    answer = bob_editor.post("step_add", htmx=True, kind="delay", after=split.pk).content.decode()

    assert "Component 4 was added." in answer
