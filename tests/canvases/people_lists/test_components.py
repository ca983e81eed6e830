"""The errored and pending people of a canvas are listed by component, where they are retried."""

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from canvases import analytics
from canvases.models import Step

pytestmark = pytest.mark.django_db
RETRY = "Open a component to retry its people."


def add_step_after(step, name):
    return Step.objects.create(canvas=step.canvas, parent=step, kind="audience_sync", name=name)


def page(client_editor, number):
    return client_editor.get("canvas_people", number=number).content.decode()


@pytest.mark.parametrize("number", ["errored", "pending"])
def test_each_component_leads_to_its_people(bob_editor, step, number):
    add_step_after(step, name="without people")
    n = getattr(analytics.step_numbers([step])[step.pk], number)
    html = page(bob_editor, number)

    [(url, shown)] = re.findall(r'<a href="([^"]+)"><bdi>.*?</bdi></a> ·\s*(\d+) people', html)
    assert int(shown) == n > 1
    assert f"{n} people</p>" in re.sub(
        r"\s+<", "<", bob_editor.client.get(url.replace("&amp;", "&")).content.decode()
    )
    assert (RETRY in html) is (number == "errored")


def test_a_viewer_reads_of_no_retry(editor_of, vera, step):
    html = page(editor_of(vera), "errored")

    assert "By component" in html
    assert RETRY not in html


def test_other_numbers_have_no_components(bob_editor, step):
    assert "By component" not in page(bob_editor, "entered")


def test_more_components_need_no_more_queries(bob_editor, step):
    def n_queries():
        with CaptureQueriesContext(connection) as queries:
            html = page(bob_editor, "errored")
        return html.count("<bdi>Copy</bdi>"), len(queries)

    n_queries()  # the first view is logged
    _none, before = n_queries()
    copy = step
    for _ in range(3):
        copy = add_step_after(copy, name="Copy")
        copy.syncs.set(step.syncs.all())

    assert n_queries() == (3, before)
