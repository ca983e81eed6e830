"""A wait says on its card, and in the names of its branches, what people wait for."""

import pytest

from canvases.steps import KINDS

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.mark.parametrize(
    ("rows", "names", "summary"),
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
    ids=["one", "several", "taken"],
)
def test_a_branch_without_a_name_is_named_after_what_happens(rows, names, summary, bobs):
    step = bobs.add("wait_until")
    sent = {"row-TOTAL_FORMS": str(len(rows)), "row-INITIAL_FORMS": "0"}
    sent |= {"amount": "3", "unit": "days"}
    for i, (label, kind, name) in enumerate(rows):
        row = {"label": label, "number": str(i + 1), "kind": kind, "name": name}
        sent |= {f"row-{i}-{field}": value for field, value in row.items()}

    assert bobs.post("step", step.pk, version=1, **sent).status_code == 302

    step.refresh_from_db()
    assert [row["label"] for row in step.settings["events"]] == names
    assert KINDS["wait_until"].summary(step) == summary


def test_a_made_name_follows_what_people_wait_for_and_a_typed_one_stays(bobs):
    step = bobs.add("wait_until")
    sent = {"row-TOTAL_FORMS": "2", "row-INITIAL_FORMS": "0", "amount": "3", "unit": "days"}
    for i, label in enumerate(("", "Look")):
        sent |= {f"row-{i}-label": label, f"row-{i}-number": str(i + 1), f"row-{i}-kind": "event"}
        sent[f"row-{i}-name"] = "order"
    bobs.post("step", step.pk, version=1, **sent)
    step.refresh_from_db()

    shown = [row["label"].value() for row in KINDS["wait_until"].form(step=step).rows]
    assert shown == ["", "Look"]
    again = sent | {"row-0-name": "cart", "row-0-label": shown[0]}
    assert bobs.post("step", step.pk, version=2, **again).status_code == 302
    step.refresh_from_db()
    assert [row["label"] for row in step.settings["events"]] == ["Did “cart”", "Look"]
