"""A wait says on its card, and in the labels of its branches, what people wait for.

A branch saved without a label gets a generated one, cut at 40 characters.
"""

import pytest

from canvases.steps import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize(
    ("rows", "labels", "summary"),  # rows: (label, kind, name of the event)
    [
        ([("", "event", "order")], ["Did “order”"], "Did “order” within 3 days"),
        (
            [("", "purchase", ""), ("Look", "event", "look"), ("", "event", "x" * 60)],
            ["Bought anything", "Look", "Did “" + "x" * 34 + "…"],
            "Bought anything or did “look” or 1 more within 3 days; the first decides",
        ),
        (
            [("", "event", "order"), ("Did “order”", "event", "look")],
            ["Did “order” (2)", "Did “order”"],
            "Did “order” or did “look” within 3 days; the first decides",
        ),
    ],
    ids=["one", "several", "generated label is taken"],
)
def test_a_branch_without_a_label_is_named_after_its_event(rows, labels, summary, bob_editor):
    step = bob_editor.add_step("wait_until")
    form = {"row-TOTAL_FORMS": str(len(rows)), "row-INITIAL_FORMS": "0"}
    form |= {"amount": "3", "unit": "days"}
    for i, (label, kind, name) in enumerate(rows):
        row = {"label": label, "number": str(i + 1), "kind": kind, "name": name}
        form |= {f"row-{i}-{field}": value for field, value in row.items()}

    assert bob_editor.post("step", step.pk, version=1, **form).status_code == 302

    step.refresh_from_db()
    assert [row["label"] for row in step.settings["events"]] == labels
    assert KINDS["wait_until"].summary(step) == summary


def test_a_generated_label_follows_its_event_and_a_typed_one_stays(bob_editor):
    step = bob_editor.add_step("wait_until")
    form = {"row-TOTAL_FORMS": "2", "row-INITIAL_FORMS": "0", "amount": "3", "unit": "days"}
    for i, label in enumerate(("", "Look")):
        form |= {f"row-{i}-label": label, f"row-{i}-number": str(i + 1), f"row-{i}-kind": "event"}
        form[f"row-{i}-name"] = "order"
    bob_editor.post("step", step.pk, version=1, **form)
    step.refresh_from_db()

    labels = [row["label"].value() for row in KINDS["wait_until"].form(step=step).rows]
    assert labels == ["", "Look"]  # the form shows a generated label as empty
    second_form = form | {"row-0-name": "cart", "row-0-label": labels[0]}
    assert bob_editor.post("step", step.pk, version=2, **second_form).status_code == 302
    step.refresh_from_db()
    assert [row["label"] for row in step.settings["events"]] == ["Did “cart”", "Look"]
