"""The broken laws as a metric: read beside the scrape, which never waits long for them."""

import threading

import pytest
from django.utils import timezone

from canvases import laws, metrics
from partners.models import Tally

pytestmark = pytest.mark.django_db(transaction=True)
NAME = "audsync_conservation_violations"


@pytest.fixture
def waiting(transactional_db, world):
    asked = world.sync()
    world.enter(asked, world.people(3))


def test_all_laws_hold(waiting, scrape):
    assert scrape()[NAME] == 0


def test_a_broken_law_shows(waiting, scrape):
    Tally.objects.update(entered=4, pending=4)
    assert laws.broken(now=timezone.now()) != []
    assert scrape()[NAME] == 1


def test_a_long_reading_holds_no_scrape(waiting, scrape, monkeypatch):
    """The first scrape tells nothing yet, a later one what was read."""
    done = threading.Event()
    monkeypatch.setattr(metrics, "LAWS_WAIT", 0.1)
    monkeypatch.setattr(laws, "broken", lambda now: done.wait(10) and ["one", "two"])
    assert NAME not in scrape()
    reading = metrics.kept.reading
    done.set()
    reading.join(10)
    assert metrics.kept.broken == 2


def test_a_failed_reading_tells_nothing_and_is_tried_again(waiting, scrape, monkeypatch, caplog):
    def fail(now):
        raise RuntimeError("away")

    with monkeypatch.context() as patch:
        patch.setattr(laws, "broken", fail)
        assert NAME not in scrape()
    assert "The laws could not be read." in caplog.text
    assert scrape()[NAME] == 0
