"""Texts name the configured deadlines in words; no text contains a fixed deadline."""

import re
from pathlib import Path

import polib
import pytest
from django.conf import settings as configured
from django.utils import translation

from audiencesync.core import deadlines
from partners import registry
from partners.errors import Disconnected
from partners.views.forms import DisconnectForm

HOUR, DAY = 3600, 86400


@pytest.fixture(autouse=True)
def in_english():
    # A request of another test may have left its language active.
    with translation.override("en"):
        yield


@pytest.fixture
def other_deadlines(settings):
    settings.SYNC = settings.SYNC | {"deadline": 48.0 * HOUR, "erasure_deadline": 10.0 * DAY}


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (13 * HOUR, "13 hours", "13 Stunden"),
        (30 * DAY, "30 days", "30 Tage"),
        (71 * HOUR, "71 hours", "71 Stunden"),
        (72 * HOUR, "3 days", "3 Tage"),
        (90 * 60, "90 minutes", "90 Minuten"),
        (6, "1 minute", "1 Minute"),
    ],
)
def test_a_duration_is_spelt_in_words(seconds, english, german):
    assert deadlines.in_words(seconds) == english
    with translation.override("de"):
        assert deadlines.in_words(seconds) == german


def test_no_text_contains_a_default_deadline():
    texts = polib.pofile(str(Path(configured.BASE_DIR) / "locale/de/LC_MESSAGES/django.po"))
    fixed = re.compile(r"\b(13 hours|13 Stunden|30 days|30 Tage)\b")
    found = [entry.msgid for entry in texts if fixed.search(f"{entry.msgid} {entry.msgstr}")]
    assert found == ["30 days"]  # the validity of an API key, which is not a deadline


def test_the_disconnect_form_names_the_deadline(other_deadlines):
    assert "within 48 hours" in str(
        DisconnectForm(n_pending=1, partner=registry.default())["people"]
    )


def test_the_sentence_of_a_lost_access_names_the_deadline(other_deadlines):
    assert "People who have waited 48 hours count as errored" in Disconnected("TikTok").sentence()


def test_the_group_settings_name_the_deadline(other_deadlines, alice, signed_in):
    page = signed_in(alice).get("/g/acme/settings/").content.decode()
    assert "count as errors after 48 hours" in page


def test_the_page_of_a_partner_names_the_deadline(other_deadlines, alice, signed_in):
    page = signed_in(alice).get("/g/acme/partners/tiktok/").content.decode()
    assert "up to 48 hours back" in page
    assert "13 hours" not in page
