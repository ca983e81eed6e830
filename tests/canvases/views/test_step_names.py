"""A component has an optional name and description; lists, API and exports show the name."""

import pytest
from django import forms
from django.urls import reverse
from django.utils import timezone

from audiencesync.groups.models import Activity
from canvases import checklist
from canvases.models import Step
from canvases.steps.base import StepForm
from partners.models import Sync

pytestmark = pytest.mark.django_db
NAME = "<b>Lapsed</b> & gone"
ESCAPED = "&lt;b&gt;Lapsed&lt;/b&gt; &amp; gone"


@pytest.fixture
def step(bob_editor, winback):
    row = bob_editor.add_step("audience_sync")
    bob_editor.save_sync(row, winback)
    row.refresh_from_db()
    return row


def named(bob_editor, step, **fields):
    names = {"step_name": NAME, "step_description": "For the autumn sale"}
    return bob_editor.save_sync(step, step.sync.audience, **(names | fields))


def test_a_name_is_shown_wherever_the_component_is_listed(
    bob_editor, step, alice, signed_in, canvas
):
    last = bob_editor.add_step("delay", bob_editor.add_step("delay", step))
    assert named(bob_editor, step).status_code == 302

    page = bob_editor.client.get(bob_editor.url("canvas")).content.decode()
    assert page.count(ESCAPED) == 2  # the card and the table of numbers
    assert NAME not in page
    for query in ({"place": last.pk}, {"add": step.pk}, {"remove": step.pk}):
        assert bob_editor.get(**query).content.decode().count(ESCAPED) == 3
    panel = bob_editor.get(step=step.pk).content.decode()
    assert "Audience Sync" in panel
    assert "For the autumn sale" in panel
    table = reverse("analytics", args=[canvas.app_group.slug])
    assert ESCAPED in signed_in(alice).get(table, {"q": "lapsed"}).content.decode()


def test_without_a_name_the_card_shows_the_kind(bob_editor, step):
    name = '<span class="step-name wrap-any"><bdi>Audience Sync</bdi></span>'
    assert name in bob_editor.get().content.decode()


def test_the_checklist_calls_a_component_by_its_name(bob_editor, canvas):
    bob_editor.post("step", bob_editor.add_step("exit").pk, version=1, step_name="The end")
    step = bob_editor.add_step("audience_sync")
    data = {"step_name": "Win back", "version": 1}
    assert bob_editor.post("step", step.pk, **data).status_code == 422
    Step.objects.filter(pk=step.pk).update(name="Win back")

    assert "1 Win back" in [str(item.where) for item in checklist.items(canvas, now=timezone.now())]


def test_only_the_name_changes(bob_editor, step):
    before = Sync.objects.get()
    named(bob_editor, step)

    step.refresh_from_db()
    assert (step.name, step.description) == (NAME, "For the autumn sale")
    assert Sync.objects.get() == before
    logged = Activity.objects.first().shown_changes
    assert [(record.what, record.before, record.after) for record in logged] == [
        ("Name", "–", NAME),
        ("Description", "–", "For the autumn sale"),
    ]


def test_the_settings_of_a_new_kind_hold_no_name():
    class Minutes(StepForm):
        minute = forms.IntegerField()

    form = Minutes({"minute": "5", "step_name": NAME}, step=Step())

    assert form.is_valid()
    assert (form.settings(), form.names()) == ({"minute": 5}, {"name": NAME})


def test_a_save_without_the_fields_keeps_the_name(bob_editor, step):
    named(bob_editor, step)
    bob_editor.save_sync(step, step.sync.audience, kinds=["email", "phone"])

    step.refresh_from_db()
    assert step.name == NAME


@pytest.mark.parametrize(("field", "most"), [("step_name", 120), ("step_description", 500)])
def test_a_text_that_is_too_long_is_refused_at_its_field(bob_editor, step, field, most):
    answer = named(bob_editor, step, **{field: "x" * (most + 1)})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert f"Ensure this value has at most {most} characters (it has {most + 1})." in page
    assert 'id="step-names" open' in page
    assert named(bob_editor, step, **{field: "x" * most}).status_code == 302


def test_another_users_name_is_not_overwritten(bob_editor, step):
    stale = step.version
    named(bob_editor, step)
    answer = named(bob_editor, step, version=stale, step_name="Mine")

    step.refresh_from_db()
    page = answer.content.decode()
    assert (answer.status_code, step.name) == (409, NAME)
    assert ESCAPED in page
    assert "Mine" in page


def test_a_typed_name_survives_a_button_inside_the_form(bob_editor):
    step = bob_editor.add_step("wait_until")
    answer = bob_editor.post("step", step.pk, version=1, add="0", step_name="Order soon")

    assert 'value="Order soon"' in answer.content.decode()
    step.refresh_from_db()
    assert step.name == ""


def test_the_description_of_the_canvas_is_read_in_its_head(bob_editor, canvas, vera, editor_of):
    fields = {"name": "Cart", "entry_by": "launch", "description": "<i>Autumn</i> sale"}
    bob_editor.post("canvas_entry", version=canvas.version, segment=canvas.segment_id, **fields)

    page = editor_of(vera).get().content.decode()
    head = page.partition('id="canvas-head"')[2].partition("page-actions")[0]
    assert "&lt;i&gt;Autumn&lt;/i&gt; sale" in head
