"""The number of broken laws is a metric; the laws are checked in the background of scrapes."""

import threading

import pytest
from django.utils import timezone

from canvases import laws, metrics
from partners.models import Tally

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.thorough]
NAME = "audsync_conservation_violations"


@pytest.fixture
def pending_people(transactional_db, world):
    sync_row = world.create_sync()
    world.enter(sync_row, world.create_people(3))


def test_no_broken_law_is_0(pending_people, scrape):
    assert scrape()[NAME] == 0


def test_a_broken_law_is_counted(pending_people, scrape):
    Tally.objects.update(entered=4, pending=4)
    assert laws.broken(now=timezone.now()) != []
    assert scrape()[NAME] == 1


def test_a_slow_check_does_not_delay_a_scrape(pending_people, scrape, monkeypatch):
    """The first scrape lacks the metric, a later one has it."""
    done = threading.Event()
    monkeypatch.setattr(metrics, "LAWS_WAIT", 0.1)
    monkeypatch.setattr(laws, "broken", lambda now: done.wait(60) and ["one", "two"])
    assert NAME not in scrape()
    reading = metrics.cache.reading
    done.set()
    reading.join(60)
    assert metrics.cache.broken == 2


def test_a_failed_check_omits_the_metric_and_is_retried(
    pending_people, scrape, monkeypatch, caplog
):
    def fail(now):
        raise RuntimeError("away")

    with monkeypatch.context() as patch:
        patch.setattr(laws, "broken", fail)
        assert NAME not in scrape()
    assert "The laws could not be read." in caplog.text
    assert scrape()[NAME] == 0
