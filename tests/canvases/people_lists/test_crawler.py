"""Every number on every page of canvases is a link to a list as long as it says."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from canvases import analytics, laws
from canvases.engine import exits
from canvases.models import Canvas, LeftBy, StepTally, Visit
from canvases.people_lists import page as pages_of_lists
from partners.models import Audience, Tally

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]
LINK = re.compile(r'<a [^>]*href="([^"]*/people/\?number=[^"]*)"[^>]*>\s*([\d.,]+)\s*<')
MARKED = re.compile(
    r'<(?:dd|td)[^>]* data-(?:metric|number)="([^"]+)"[^>]*>(.*?)</(?:dd|td)>', re.DOTALL
)
NO_LIST = {"turned-away"}  # people who did not enter: no rows are kept
DAY = {"amount": 1, "unit": "days"}
GERMAN = {"filter": {"field": "country", "op": "is", "value": "DE"}}


@pytest.fixture
def sent(step):
    """The canvas of ``step``; one delivery is purged, and some visits are from before trails."""
    purged = Tally.objects.first()
    row = purged.sync.deliveries.filter(outcome="not_synced", reason="no_identifier").first()
    row.delete()
    purged.base = {"not_synced": {"no_identifier": 1}}
    purged.save()
    numbers = analytics.step_numbers([step])[step.pk]
    n = sum(getattr(numbers, name) for name in (*analytics.SYNC_METRICS, "cancelled"))
    visits = Visit.objects.filter(canvas=step.canvas)
    visits.update(trail=f"/{step.pk}!0;", left_at=timezone.now())
    counts = {"exited": n - visits.count()}
    StepTally.objects.create(step=step, entered=n, exited=n, base=counts)
    step.canvas.entered = visits.count()
    step.canvas.save()
    return step.canvas


@pytest.fixture
def walked(canvas_world, people):
    """A canvas after the engine has run: people took branches, wait, have ended or left early."""
    type(people[0]).objects.filter(pk__in=[person.pk for person in people[:5]]).update(country="DE")
    canvas, steps = canvas_world.create_flow(
        ("split", "decision_split", GERMAN, None, 0),
        ("german", "delay", DAY, "split", 1),
        ("exit", "exit", {}, "german", 0),
        ("after", "delay", {"amount": 3, "unit": "days"}, "split", 0),
    )
    canvas_world.launch(canvas)
    canvas_world.run()
    one, two = (Visit.objects.filter(step=steps[name]).first() for name in ("german", "after"))
    now = timezone.now()
    exits.end_visits(canvas, LeftBy.EVENT, {one.profile_id: None}, now=now)
    exits.end_visits(canvas, LeftBy.SEGMENT, {two.profile_id: None}, now=now)
    canvas_world.run(now + timedelta(days=2))
    assert laws.broken(now=now) == []
    canvas.refresh_from_db()
    return canvas


def pages(canvas):
    """Return the addresses of the pages with numbers of a canvas."""
    url, group = canvas.get_absolute_url(), canvas.app_group.slug
    urls = [url, f"{url}?left=1", reverse("canvas_numbers", args=[group, canvas.pk])]
    of_group = ("analytics", "overview", "canvases", "group_audiences")
    urls += [reverse(name, args=[group]) for name in of_group]
    used = Audience.objects.filter(syncs__steps__canvas=canvas).distinct()
    urls += [reverse("audience", args=[group, one.pk]) for one in used]
    for step in canvas.steps.all():
        urls += [f"{url}?step={step.pk}&tab=numbers", f"{url}?step={step.pk}&reasons=1"]
        urls.append(reverse("step_numbers", args=[group, canvas.pk, step.pk]))
    return urls


def is_explained(name, inner):
    """Return whether a number on a page is a link or zero, or is named in NO_LIST."""
    text = re.sub("<[^>]*>", " ", inner).split()
    is_zero = not text or text[0] in {"0", "–"}
    return is_zero or "people-link" in inner or name in NO_LIST


def links(client, canvas):
    """Return address of a list -> the numbers that link to it. No number may lack a link."""
    link_texts = {}
    for page in pages(canvas):
        answer = client.get(page)
        assert answer.status_code == 200, page
        body = answer.content.decode()
        bare = [name for name, inner in MARKED.findall(body) if not is_explained(name, inner)]
        assert not bare, f"{page} has numbers without a list: {bare}"
        for address, number in LINK.findall(body):
            link_texts.setdefault(unescape(address), set()).add(int(re.sub("[.,]", "", number)))
    return link_texts


def listed(client, address):
    """Read all pages. Return the number of rows and of those that are no longer kept."""
    rows, page = 0, ""
    while page is not None:
        answer = client.get(address + page)
        assert answer.status_code == 200, address
        rows += answer.content.decode().count("<tr data-delivery>")
        older = answer.context["page"].older
        page = f"&before={older}" if older else None
    return rows, answer.context["number"].gone


NUMBERS_OF_SENT = {
    "synced",
    "not_synced",
    "pending",
    "errored",
    "cancelled",
    "entered",
    "exited",
    "members",
}
NUMBERS_OF_WALKED = {
    "entered",
    "inside",
    "through",
    "proceeded",
    "exited",
    "waiting",
    "branch_1",
    "left_event",
}


@pytest.mark.parametrize(
    ("world", "names", "of_canvas"),
    [
        ("sent", NUMBERS_OF_SENT, {"entered", "pending", "errored"}),
        ("walked", NUMBERS_OF_WALKED, {"entered", "inside", "through"}),
    ],
)
def test_every_list_is_as_long_as_its_number(
    signed_in, bob, monkeypatch, request, world, names, of_canvas
):
    monkeypatch.setattr(pages_of_lists, "PAGE", 3)
    client, canvas = signed_in(bob), request.getfixturevalue(world)
    Canvas.objects.filter(pk=canvas.pk).update(launched_at=timezone.now(), state=Canvas.State.LIVE)
    page_links = links(client, canvas)

    assert names <= {re.search("number=([a-z_0-9]+)", address)[1] for address in page_links}
    url = canvas.get_absolute_url()
    assert {f"{url}people/?number={name}" for name in of_canvas} <= set(page_links)
    lengths = {address: listed(client, address) for address in page_links}
    assert {address: {sum(length)} for address, length in lengths.items()} == page_links


def test_a_viewer_reads_the_lists_masked(signed_in, vera, charlie, sent):
    page_links = links(signed_in(vera), sent)

    assert page_links
    for address in page_links:
        page = signed_in(vera).get(address).content.decode()
        assert "<tr data-delivery>" in page
        assert not re.search(r"p\d+@example\.org", page)
        assert signed_in(charlie).get(address).status_code == 404
