"""The pages of audiences: sizes by day, members, who adds and removes, creation, deletion."""

import re
from datetime import timedelta

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.people.models import Profile
from canvases.models import Canvas, Step
from partners import audiences
from partners.models import Action, AdAccount, Audience, AudienceSize, Batch, Outcome, TallyHour
from tests.canvases.counting import count
from tests.support import builder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.thorough,
    pytest.mark.usefixtures("amid_an_hour"),
]
LIST = "/g/acme/audiences/"


def use(canvas, audience, action=Action.ADD, *, name="Winback", state=Canvas.State.LIVE):
    """Return the Sync of a step of a new canvas."""
    row = Canvas.objects.create(
        app_group=canvas.app_group, segment=canvas.segment, name=name, state=state
    )
    sync = builder.make_sync(audience, action=action)
    Step.objects.create(canvas=row, kind="audience_sync", sync=sync).syncs.add(sync)
    return sync


def words(answer):
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


@pytest.fixture
def page(bob_editor, winback):
    def page(query=""):
        answer = bob_editor.client.get(f"{LIST}{winback.pk}/{query}")
        assert answer.status_code == 200
        return answer

    return page


def test_the_list_names_size_account_and_live_canvases(bob_editor, canvas, eu, winback):
    Audience.objects.filter(pk=winback.pk).update(size=41_200)
    use(canvas, winback)
    use(canvas, winback, Action.REMOVE, name="Suppress")
    use(canvas, winback, name="Stopped", state=Canvas.State.STOPPED)
    Audience.objects.create(ad_account=eu, name="Small", remote_id="77")

    answer = bob_editor.client.get(LIST)

    rows = [(one.name, one.n_add, one.n_remove) for one in answer.context["page"]]
    assert rows == [("winback", 1, 1), ("Small", 0, 0)]
    assert "41,200" in words(answer)


def test_the_list_warns_before_an_ad_account_is_full(bob_editor, eu):
    assert "When it is full" not in words(bob_editor.client.get(LIST))
    AdAccount.objects.update(n_audiences=390)
    assert "has 390 of 400 audiences" in words(bob_editor.client.get(LIST))


def test_the_list_needs_no_more_queries_for_more_audiences(bob_editor, canvas, eu, winback):
    def queries():
        with CaptureQueriesContext(database) as captured:
            bob_editor.client.get(LIST)
        return len(captured)

    use(canvas, winback)
    queries()
    few = queries()
    for n in range(5):
        use(canvas, Audience.objects.create(ad_account=eu, name=f"A{n}", remote_id=f"{n}"))
    assert queries() == few


def test_a_refresh_keeps_the_size_of_the_day(sandbox, eu):
    now = timezone.now()
    audiences.refresh(eu, now=now, is_forced=True)
    one = eu.audiences.exclude(size=0).first()
    AudienceSize.objects.update(size=1)

    audiences.refresh(eu, now=now, is_forced=True)

    assert one.sizes.get().size == one.size
    assert AudienceSize.objects.count() == eu.audiences.exclude(remote_id="").count()


def test_the_trend_shows_the_sizes_by_day(page, winback):
    today = timezone.now().date()
    for days, size in ((0, 5_000), (3, 4_000), (29, 1_000), (40, 7)):
        AudienceSize.objects.create(audience=winback, day=today - timedelta(days=days), size=size)
    Audience.objects.filter(pk=winback.pk).update(size=5_000)

    context = page().context

    values = context["sizes"].series[0].values
    assert (values[-1], values[-4], values[0], sum(values)) == (5_000, 4_000, 1_000, 10_000)
    assert context["growth"] == 4_000


def test_people_are_counted_by_the_last_thing_sent(page, people, winback, canvas):
    for sync, n in (
        (use(canvas, winback), 5),
        (use(canvas, winback, Action.REMOVE, name="Suppress"), 2),
    ):
        ids = [person.pk for person in people if person.email][:n]
        builder.enter(sync, Profile.objects.filter(pk__in=ids))
        Batch.objects.pending().update(state=Outcome.SYNCED, settled_at=timezone.now())

    answer = page()
    assert answer.context["members"] == 3
    assert f'{LIST}{winback.pk}/people/?number=members">3</a>' in answer.content.decode()


def test_the_first_addition_is_named(page, winback, canvas):
    assert page().context["since"] is None
    count(use(canvas, winback), at=timezone.now(), entered=1, synced=1)
    assert page().context["since"] is not None


@pytest.mark.parametrize(("days", "is_said"), [(729.5, True), (700, False)])
def test_the_page_says_if_older_hours_are_not_kept(page, people, canvas, winback, days, is_said):
    sync = use(canvas, winback)
    TallyHour.objects.create(sync=sync, hour=timezone.now() - timedelta(days=days), synced=1)
    builder.enter(sync, Profile.objects.filter(pk=people[0].pk))
    Batch.objects.pending().update(state=Outcome.SYNCED, settled_at=timezone.now())
    assert ("or before: older numbers are not kept" in words(page())) is is_said


def test_an_audience_that_takes_no_people_is_a_problem_only_if_it_is_used(page, winback, canvas):
    why = "Another ad account shares this audience; only its owner can change it."
    Audience.objects.filter(pk=winback.pk).update(is_appendable=False, why_not=why)
    unused = words(page())
    assert why in unused
    assert "No one is waiting yet" not in unused
    use(canvas, winback)
    assert "No one is waiting yet" in words(page())


def test_adds_and_removals_are_shown_by_day(page, winback, canvas):
    count(use(canvas, winback), at=timezone.now(), entered=9, synced=8, errored=1)
    remove = use(canvas, winback, Action.REMOVE, name="Suppress")
    count(remove, at=timezone.now() - timedelta(days=2), entered=3, synced=3)

    rows = page("?view=table").context["changes"].rows

    assert [values for _day, values in rows[:3]] == [[8, 0], [0, 0], [0, 3]]


def test_canvases_that_do_the_opposite_are_a_conflict(page, winback, canvas):
    use(canvas, winback)
    assert page().context["is_conflict"] is False
    use(canvas, winback, Action.REMOVE, name="Suppress", state=Canvas.State.ARCHIVED)
    assert page().context["is_conflict"] is False
    use(canvas, winback, Action.REMOVE, name="Suppress")
    assert page().context["is_conflict"] is True
    assert "One component adds people to this audience" in words(page())


def test_a_step_that_had_the_audience_before_is_marked_as_former(page, winback, eu, canvas):
    step = use(canvas, winback).steps.get()
    other = builder.make_sync(Audience.objects.create(ad_account=eu, name="Other", remote_id="5"))
    step.syncs.add(other)
    Step.objects.filter(pk=step.pk).update(sync=other)

    [found] = page().context["uses"]

    assert (found.is_current, found.is_only) == (False, False)


def test_one_day_and_one_person_are_singular(bob_editor, canvas, winback):
    AudienceSize.objects.create(audience=winback, day=timezone.now().date(), size=5)
    canvas.launched_at = timezone.now()
    canvas.save()
    count(use(canvas, winback), at=timezone.now(), entered=1, synced=1)

    page = bob_editor.client.get(f"{LIST}{winback.pk}/").content.decode()
    overview = bob_editor.client.get("/g/acme/overview/").content.decode()

    assert "1 day noted" in page
    assert "1 person synced in the last 7 days" in overview
