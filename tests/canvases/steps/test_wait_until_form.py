"""The form of a wait: the events to wait for, and which one decides if several happen."""

import pytest

from audiencesync.people.models import Segment
from canvases.models import Step

pytestmark = pytest.mark.thorough


@pytest.fixture
def vip(acme):
    only = {"field": "country", "op": "is", "value": "DE"}
    return Segment.objects.create(app_group=acme, name="VIP", filter=only)


def test_the_form_asks_for_each_event(bob_editor, vip):
    step = bob_editor.add_step("wait_until")
    assert "Choose what people wait for." in bob_editor.get(launch=1).content.decode()
    first = {
        "row-TOTAL_FORMS": "1",
        "row-INITIAL_FORMS": "0",
        "row-0-label": "Order",
        "row-0-number": "1",
        "row-0-kind": "event",
        "row-0-name": "",
        "amount": "3",
        "unit": "days",
    }
    assert bob_editor.post("step", step.pk, version=1, **first).status_code == 422
    first["row-0-name"] = "order"
    added = bob_editor.post("step", step.pk, version=1, add="1", **first)
    assert (added.status_code, Step.objects.get(pk=step.pk).version) == (200, 1)
    assert 'name="row-1-label"' in added.content.decode()

    second = {"row-1-label": "VIP", "row-1-number": "2", "row-1-kind": "segment"}
    second |= {"row-1-segment": str(vip.api_id), "row-TOTAL_FORMS": "2"}
    assert bob_editor.post("step", step.pk, version=1, **first | second).status_code == 302
    page = bob_editor.get().content.decode()
    assert "Did “order” or joined “VIP” within 3 days; the first decides" in page
    assert page.index(">Order<") < page.index(">VIP<") < page.index(">Everyone else<")
    assert vip.steps_with.count() == 1

    bob_editor.add_step("delay", step, 2)
    assert bob_editor.post("step", step.pk, version=2, **first).status_code == 422


def test_the_form_asks_which_of_several_decides(bob_editor):
    step = bob_editor.add_step("wait_until")
    rows = {"row-TOTAL_FORMS": "2", "row-INITIAL_FORMS": "0", "chooses": "ranked"}
    rows |= {"amount": "3", "unit": "days"}
    for i, name in enumerate(("look", "order")):
        row = {"label": name, "number": i + 1, "kind": "event", "name": name}
        rows |= {f"row-{i}-{field}": str(value) for field, value in row.items()}
    moved = " ".join(
        bob_editor.post("step", step.pk, version=1, up="1", **rows).content.decode().split()
    )
    assert moved.index('value="order"') < moved.index('value="look"')
    assert 'value="ranked" id="id_chooses_1" checked' in moved
    assert bob_editor.post("step", step.pk, version=1, **rows).status_code == 302

    step.refresh_from_db()
    assert step.settings["chooses"] == "ranked"
    page = bob_editor.get().content.decode()
    assert "Did “look” or did “order” within 3 days; the most important decides" in page
    assert bob_editor.post("step", step.pk, version=2, **rows | {"chooses": "x"}).status_code == 422


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"row-TOTAL_FORMS": "x", "row-INITIAL_FORMS": "0"},
        {"row-TOTAL_FORMS": "1", "row-INITIAL_FORMS": "0"},
        {"row-TOTAL_FORMS": "8", "row-INITIAL_FORMS": "0"},
        {"row-TOTAL_FORMS": "1", "row-INITIAL_FORMS": "0", "row-0-number": "9" * 5000},
    ],
    ids=["nothing", "not a number", "an empty row", "too many", "an endless number"],
)
def test_rows_that_the_page_did_not_send_are_refused(odd, bob_editor):
    step = bob_editor.add_step("wait_until")
    sent = {"amount": "3", "unit": "days"} | odd

    assert bob_editor.post("step", step.pk, version=1, **sent).status_code == 422
    assert bob_editor.post("step", step.pk, version=1, add="1", **sent).status_code == 200
    assert bob_editor.post("step", step.pk, version=1, up="9" * 5000, **sent).status_code == 200
    step.refresh_from_db()
    assert (step.version, step.settings["amount"]) == (1, 1)
