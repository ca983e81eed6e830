"""Made-up history: totals and laws stay, only the hours change."""

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Sum
from django.utils import timezone

from canvases import laws
from canvases.models import CanvasHour
from partners.models import Audience, AudienceSize, Batch, Outcome, Tally, TallyDay, TallyHour
from partners.models.tallies import COLUMNS
from tests.canvases.counting import count

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def launched_canvas(canvas_world):
    canvas, [step] = canvas_world.create_canvas(("audience_sync", {}))
    Audience.objects.update(size=5_000)
    sync = canvas_world.add_sync(step)
    canvas_world.create_people(200)
    canvas_world.launch(canvas)
    canvas_world.run()
    Batch.objects.update(state=Outcome.SYNCED, settled_at=timezone.now())
    count(sync, pending=-200, synced=200)


def sums():
    return {name: TallyHour.objects.aggregate(n=Sum(name))["n"] for name in COLUMNS}


def test_totals_and_laws_stay(launched_canvas, settings):
    settings.DEMO = True
    before, hours = sums(), TallyHour.objects.count()

    call_command("history", days=10)

    assert laws.broken(now=timezone.now()) == []
    assert sums() == before
    assert before["entered"] == Tally.objects.aggregate(n=Sum("entered"))["n"] > 0
    assert TallyHour.objects.count() > hours
    assert TallyDay.objects.count() in (10, 11)
    first = TallyDay.objects.earliest("day")
    assert {getattr(first, name) for name in COLUMNS} == {0}
    first = min(CanvasHour.objects.values_list("hour", flat=True))
    assert first < timezone.now() - timedelta(days=5)


def test_the_trend_of_an_audience_ends_at_its_size(launched_canvas, settings):
    settings.DEMO = True
    call_command("history", days=10)
    sizes = list(AudienceSize.objects.order_by("day").values_list("size", flat=True))
    assert len(sizes) in (10, 11)
    assert sizes[-1] == 5_000
    assert sizes[0] < 5_000


def test_real_numbers_are_not_rewritten(launched_canvas, settings):
    settings.DEMO = False
    with pytest.raises(CommandError, match="DEMO=1"):
        call_command("history")
