"""Pages and searches of lists use indexes, so that they are fast on large tables."""

import pytest
from django.db import connection

from audiencesync.core import lists
from canvases.models import Visit
from canvases.people_lists import numbers, search, visits
from partners.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
OF_STEPS = ["synced", "not_synced", "pending", "errored", "cancelled", "entered", "waiting"]
TABLES = ("partners_delivery", "partners_batch", "canvases_visit", "people_profile")


@pytest.fixture
def plans():
    """plans(act) -> query plans on large tables. PostgreSQL must use an index wherever it can."""

    def run(act):
        plan_list = []
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL enable_seqscan = off")

        def look(execute, sql, params, many, context):
            if sql.startswith("SELECT") and any(f'FROM "{table}"' in sql for table in TABLES):
                plan_list.append((sql, params))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(look):
            act()
        assert plan_list
        return [_plan(sql, params) for sql, params in plan_list]

    return run


@pytest.fixture
def whole_reads(plans):
    """whole_reads(act) -> plans of queries that read a whole table or a whole index."""
    return lambda act: [plan for plan in plans(act) if _reads_all(plan)]


def _plan(sql, params):
    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with connection.cursor() as cursor:
        cursor.execute(f"{explain} {sql}", params)
        return "\n".join(" ".join(map(str, row)) for row in cursor.fetchall())


def _reads_all(plan):
    words = ("Seq Scan on ",) if connection.vendor == "postgresql" else ("SCAN ",)
    return any(f"{word}{table}" in plan for word in words for table in TABLES)


@pytest.mark.parametrize("name", OF_STEPS)
@pytest.mark.parametrize("where", [{}, {"is_last": True}])
def test_pages_of_a_step(step, whole_reads, name, where):
    assert whole_reads(lambda: lists.page(numbers.of_step(step, name).parts, 2, **where)) == []


@pytest.mark.parametrize(
    ("name", "who"), [("synced", 8), ("errored", 2), ("not_synced", 0), ("entered", 5)]
)
def test_a_search(step, whole_reads, name, who):
    def act():
        one = numbers.of_step(step, name)
        one = search.keep_matching(step.canvas.app_group, one, f"p{who}@example.org")
        assert lists.page(one.parts, 50).rows

    assert whole_reads(act) == []


@pytest.mark.parametrize("name", ["left", "left_event", "pending", "errored"])
@pytest.mark.parametrize("where", [{}, {"is_last": True}])
def test_pages_of_a_canvas(step, whole_reads, name, where):
    parts = numbers.of_canvas(step.canvas, name).parts
    assert whole_reads(lambda: lists.page(parts, 2, **where)) == []


@pytest.fixture
def keep_index():
    """keep_index(name): drop all other indexes of visits on PostgreSQL, and forbid index scans.

    In small tables PostgreSQL might otherwise use another index.
    """

    def run(name):
        if connection.vendor != "postgresql":
            return
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_indexscan = off")
        with connection.schema_editor() as editor:
            for constraint in Visit._meta.constraints:
                editor.remove_constraint(Visit, constraint)
            for index in Visit._meta.indexes:
                if index.name != name:
                    editor.remove_index(Visit, index)

    return run


@pytest.mark.parametrize("where", [{}, {"is_last": True}])
def test_visits_of_a_canvas_have_an_index_of_their_own(step, plans, keep_index, where):
    keep_index("visit_of_canvas")
    parts = numbers.of_canvas(step.canvas, "entered").parts
    assert "visit_of_canvas" in "".join(plans(lambda: lists.page(parts, 2, **where)))


@pytest.mark.parametrize("name", ["proceeded", "exited", "withdrawn", "branch_1"])
def test_visits_that_passed_a_step_are_found_by_their_canvas(step, plans, keep_index, name):
    keep_index("visit_of_canvas")
    step.kind = "decision_split" if name == "branch_1" else step.kind
    parts = numbers.of_step(step, name).parts
    assert "visit_of_canvas" in "".join(plans(lambda: lists.page(parts, 2)))


@pytest.mark.parametrize(
    ("few", "index", "columns"),
    [
        (visits.MAX_SORTED, "visit_due", ["(step_id = ", "(step_id=?"]),
        (-1, "visit_of_canvas", ["((canvas_id + 0)", "(<expr>"]),
    ],
)
def test_only_a_few_who_wait_are_found_by_their_step(
    step, plans, keep_index, monkeypatch, few, index, columns
):
    monkeypatch.setattr(visits, "MAX_SORTED", few)
    keep_index(index)
    parts = numbers.of_step(step, "waiting").parts
    plan = "".join(plans(lambda: lists.page(parts, 2)))
    assert index in plan
    assert any(column in plan for column in columns), plan


def test_a_read_of_all_is_noticed(step, whole_reads):
    assert whole_reads(lambda: list(Delivery.objects.filter(reason="x").order_by("reason")))
