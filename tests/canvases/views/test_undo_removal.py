"""The last removal can be undone unless people were moved: components return to their places."""

import pytest
from django.urls import reverse
from django.utils import timezone

from audiencesync.people.models import Segment
from canvases import engine, laws
from canvases.engine import crowds
from canvases.models import Step
from canvases.views import last_removal
from partners.models import Sync

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
OFFER = 'id="undo-removal"'


def flow(canvas):
    """Return id of a step -> its columns."""
    rows = Step.objects.filter(canvas=canvas, removed_at=None)
    columns = ("kind", "settings", "parent", "branch", "name", "description", "api_id")
    return {row["pk"]: row for row in rows.values("pk", *columns)}


@pytest.fixture
def split(bob_editor, winback, acme):
    """A split by a segment with an Audience Sync in "yes", a delay in "no" and one after it."""
    only = {"field": "country", "op": "is", "value": "DE"}
    vip = Segment.objects.create(app_group=acme, name="VIP", filter=only)
    row = bob_editor.add_step("decision_split")
    condition = {"kind-0.0": "segment", "op-0.0": "in", "segment-0.0": str(vip.api_id)}
    bob_editor.post(
        "step", row.pk, version=1, step_name="VIP?", step_description="Why", **condition
    )
    row.yes, row.no = (
        bob_editor.add_step("audience_sync", row, 1),
        bob_editor.add_step("delay", row, 2),
    )
    row.after, row.vip = bob_editor.add_step("delay", row), vip
    bob_editor.save_sync(row.yes, winback)
    return row


def launched_and_stopped(canvas, by):
    engine.launch(canvas, by=by, now=timezone.now())
    while engine.move_all(now=timezone.now()):
        pass
    canvas.refresh_from_db()
    engine.stop(canvas, by=by, now=timezone.now())


@pytest.mark.parametrize("keep", ["0", "1"])
def test_removed_components_come_back_at_their_places(bob_editor, split, canvas, winback, keep):
    before = flow(canvas)

    answer = bob_editor.post("step_remove", split.pk, keep=keep)
    assert answer.url == canvas.get_absolute_url()
    assert len(flow(canvas)) == (1 if keep == "0" else 2)
    assert OFFER in bob_editor.client.get(answer.url).content.decode()
    assert bob_editor.post("canvas_undo").url == f"{answer.url}#card-{split.pk}"

    assert flow(canvas) == before
    split.yes.refresh_from_db()
    assert (split.yes.sync.audience, Sync.objects.count()) == (winback, 1)
    assert Step.objects.get(pk=split.pk).segment_uses.get().segment == split.vip
    assert OFFER not in bob_editor.client.get(answer.url).content.decode()
    assert bob_editor.post("canvas_undo").status_code == 422


def test_the_card_that_is_back_takes_the_focus(bob_editor, split, canvas):
    removed = bob_editor.post("step_remove", split.after.pk, htmx=True)
    back = bob_editor.post("canvas_undo", htmx=True)

    assert OFFER in removed.content.decode()
    card = back.content.decode().partition(f'id="card-{split.after.pk}"')[2].partition(">")[0]
    assert "data-focus" in card
    assert (back["HX-Push-Url"], back.status_code) == (canvas.get_absolute_url(), 200)


def test_a_component_that_had_visits_comes_back_with_its_numbers(
    bob_editor, split, canvas, people, alice
):
    for gone in (split.no, split.after):
        bob_editor.post("step_remove", gone.pk)
    launched_and_stopped(canvas, alice)
    before, syncs = flow(canvas), list(Sync.objects.values("pk", "claims", "paused", "is_live"))

    answer = bob_editor.post("step_remove", split.pk, keep="0", waiting="travel")
    assert (answer.status_code, flow(canvas)) == (302, {})
    assert Sync.objects.get().claims is False
    bob_editor.post("canvas_undo")

    assert flow(canvas) == before
    assert list(Sync.objects.values("pk", "claims", "paused", "is_live")) == syncs
    assert split.tally.entered == 12
    assert laws.broken(now=timezone.now()) == []


def test_a_removal_that_moved_people_cannot_be_undone(
    bob_editor, canvas, people, alice, monkeypatch
):
    monkeypatch.setattr(crowds, "CROWD", 5)
    step = bob_editor.add_step("delay")
    launched_and_stopped(canvas, alice)

    answer = bob_editor.post("step_remove", step.pk, people="exit", htmx=True)

    page = answer.content.decode()
    assert "People who waited there were moved, so this removal cannot be undone." in page
    assert "7 people who waited at removed components are still to be moved." in page
    assert OFFER not in page
    assert bob_editor.post("canvas_undo").status_code == 422
    assert flow(canvas) == {}

    while engine.move_all(now=timezone.now()):
        pass
    assert "still to be moved" not in bob_editor.get().content.decode()


@pytest.mark.parametrize("change", ["flow", "segment"])
def test_a_removal_cannot_be_undone_after_other_changes(bob_editor, split, canvas, change):
    bob_editor.post("step_remove", split.pk, keep="0")
    # Neither the settings nor the segment can be read in the session.
    assert str(split.vip.api_id) not in str(dict(bob_editor.client.session))
    if change == "flow":
        bob_editor.post("step_move", bob_editor.add_step("delay").pk, to="down")
        message = "The flow was changed since, so the removal cannot be undone."
        assert OFFER not in bob_editor.get().content.decode()
    else:
        url = reverse("segment_remove", args=[canvas.app_group.slug, split.vip.pk])
        bob_editor.client.post(url)
        message = "A segment it named was deleted, so the removal cannot be undone."
    before = flow(canvas)

    answer = bob_editor.post("canvas_undo")

    assert (answer.status_code, message in answer.content.decode()) == (409, True)
    assert flow(canvas) == before


def test_a_removal_cannot_be_undone_if_its_branch_is_gone(bob_editor, canvas_world, canvas):
    rule = {"field": "country", "op": "is", "value": "DE"}
    paths = {"paths": [{"number": n, "name": str(n), "filter": rule} for n in (1, 2)]}
    split = Step.objects.create(canvas=canvas, kind="audience_paths", settings=paths)
    inside = bob_editor.add_step("delay", split, 2)
    bob_editor.post("step_remove", inside.pk)
    Step.objects.filter(pk=split.pk).update(settings={"paths": paths["paths"][:1]})

    assert bob_editor.post("canvas_undo").status_code == 409
    assert list(flow(canvas)) == [split.pk]


def test_a_removal_cannot_be_undone_if_an_id_was_used_again(bob_editor, split, canvas, acme):
    bob_editor.post("step_remove", split.after.pk)
    other = type(canvas).objects.create(app_group=acme, name="Other")
    Step.objects.create(pk=split.after.pk, canvas=other, kind="exit")

    assert bob_editor.post("canvas_undo").status_code == 409
    assert Step.objects.get(pk=split.after.pk).canvas == other


def test_a_removal_cannot_be_undone_on_a_live_canvas(bob_editor, split, canvas):
    bob_editor.post("step_remove", split.after.pk)
    before = flow(canvas)
    type(canvas).objects.update(state="live")

    assert OFFER not in bob_editor.get().content.decode()
    answer = bob_editor.post("canvas_undo")

    assert (answer.status_code, "Stop it first." in answer.content.decode()) == (409, True)
    assert flow(canvas) == before


def test_a_removal_is_undone_once_and_only_by_its_user(
    bob_editor, split, canvas, editor_of, alice, vera
):
    bob_editor.post("step_remove", split.after.pk)
    assert OFFER not in editor_of(alice).get().content.decode()
    assert editor_of(alice).post("canvas_undo").status_code == 422
    assert editor_of(vera).post("canvas_undo").status_code == 403
    stale = dict(bob_editor.client.session)[last_removal.KEY]
    bob_editor.post("canvas_undo")
    before = flow(canvas)

    session = bob_editor.client.session
    session[last_removal.KEY] = stale
    session.save()
    assert bob_editor.post("canvas_undo").status_code == 409
    assert flow(canvas) == before


@pytest.mark.parametrize("kept", [None, 5, {"canvas": 1}, "", "v1.a.b", "v1.x.é.ü"])
def test_a_session_that_holds_anything_else_offers_nothing(bob_editor, kept):
    session = bob_editor.client.session
    session[last_removal.KEY] = kept
    session.save()

    assert OFFER not in bob_editor.get().content.decode()
    assert bob_editor.post("canvas_undo").status_code == 422
