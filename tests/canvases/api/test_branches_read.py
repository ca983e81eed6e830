"""GET /canvas/details has the next step of each branch, /canvas/data_series its people."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from canvases.api.details import CanvasDetails
from canvases.models import BranchTally, Canvas, Step

DAY = {"amount": 1, "unit": "days"}
GERMAN = {"field": "country", "op": "is", "value": "DE"}
PATHS = {"paths": [{"number": 2, "name": "Germany", "filter": GERMAN}]}
EVENTS = [{"number": 1, "label": "Order", "kind": "event", "name": "order", "where": []}]


@pytest.fixture
def flow(canvas_world):
    """A split with a wait in "yes" and an exit in "no"; paths after the block."""
    return canvas_world.create_flow(
        ("split", "decision_split", {"filter": GERMAN}, None, 0),
        ("wait", "wait_until", DAY | {"events": EVENTS}, "split", 1),
        ("ordered", "delay", DAY, "wait", 1),
        ("exit", "exit", {}, "split", 2),
        ("paths", "audience_paths", PATHS, "split", 0),
        ("german", "delay", DAY, "paths", 2),
    )


def read(api, canvas):
    return api.get("/canvas/details", {"canvas_id": canvas.api_id}).json()


def test_every_branch_has_its_name_and_the_step_that_it_leads_to(api, flow):
    canvas, steps = flow
    names = {str(step.api_id): name for name, step in steps.items() if step}
    step_of = {
        names[row["id"]]: [
            (path["name"], names.get(path["next_step_id"])) for path in row["next_paths"]
        ]
        for row in read(api, canvas)["steps"]
    }

    assert step_of == {
        "split": [("Yes", "wait"), ("No", "exit")],
        "wait": [("Order", "ordered"), ("Everyone else", "paths")],
        "ordered": [(None, "paths")],
        "exit": [],
        "paths": [("Germany", "german"), ("Everyone else", None)],
        "german": [],
    }


def test_branches_that_meet_lead_to_one_next_step(api, flow, canvas_world):
    canvas, steps = flow
    Step.objects.filter(pk=steps["exit"].pk).delete()
    Step.objects.filter(pk=steps["ordered"].pk).update(removed_at=timezone.now())
    next_ids = {row["id"]: row["next_step_ids"] for row in read(api, canvas)["steps"]}

    wait, paths = (str(steps[name].api_id) for name in ("wait", "paths"))
    assert next_ids[str(steps["split"].api_id)] == [wait, paths]
    assert next_ids[wait] == [paths]


def test_the_answer_is_as_documented(api, flow):
    CanvasDetails.model_validate(read(api, flow[0]))


@pytest.mark.parametrize(
    ("entry_by", "expected"),
    [
        ("launch", "time_based"),
        ("schedule", "time_based"),
        ("segment", "action_based"),
        ("event", "action_based"),
        ("call", "api_triggered"),
    ],
)
def test_the_schedule_type_follows_the_entry(api, acme, entry_by, expected):
    canvas = Canvas.objects.create(app_group=acme, name="Cart", entry_by=entry_by)

    assert read(api, canvas)["schedule_type"] == expected


def series(api, canvas, path="/canvas/data_series", **more):
    query = {"canvas_id": canvas.api_id, "length": 1, "include_step_breakdown": "true"}
    return api.get(path, query | more).json()["data"]


@pytest.mark.parametrize("path", ["/canvas/data_series", "/canvas/data_summary"])
def test_branch_totals_are_of_all_days(api, flow, path):
    canvas, steps = flow
    for name, branch, n in [("split", 1, 5), ("paths", 2, 3), ("paths", 7, 1)]:  # 7 was removed
        BranchTally.objects.create(step=steps[name], branch=branch, n=n)
    totals = series(api, canvas, path)["branch_totals"]

    assert totals == {
        str(steps["split"].api_id): [{"name": "Yes", "entries": 5}, {"name": "No", "entries": 0}],
        str(steps["wait"].api_id): [
            {"name": "Order", "entries": 0},
            {"name": "Everyone else", "entries": 0},
        ],
        str(steps["paths"].api_id): [
            {"name": "Germany", "entries": 3},
            {"name": "Everyone else", "entries": 0},
            {"name": None, "entries": 1},
        ],
    }


def test_branch_totals_belong_to_the_step_breakdown(api, flow):
    canvas, steps = flow
    Step.objects.filter(pk=steps["paths"].pk).update(removed_at=timezone.now())
    paths = str(steps["paths"].api_id)

    assert "branch_totals" not in series(api, canvas, include_step_breakdown="false")
    assert paths not in series(api, canvas)["branch_totals"]
    removed = series(api, canvas, include_deleted_step_data="true")
    assert paths in removed["branch_totals"]


def queries(api, canvas):
    with CaptureQueriesContext(connection) as seen:
        read(api, canvas)
        series(api, canvas)
    return len(seen)


def test_the_number_of_queries_does_not_grow(api, flow):
    canvas, steps = flow
    queries(api, canvas)  # the first call of a key notes its use
    few, last = queries(api, canvas), steps["german"]
    for _n in range(10):
        last = Step.objects.create(
            canvas=canvas, kind="decision_split", parent=last, settings={"filter": GERMAN}
        )
        BranchTally.objects.create(step=last, branch=1, n=1)

    assert queries(api, canvas) == few
