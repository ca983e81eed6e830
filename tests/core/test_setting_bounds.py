"""A wrong setting stops the start with one line that names it; it never deletes or stalls."""

import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from audiencesync.core.environment import Environment, rate_limits, require_shorter
from tests.support import stack

SETTINGS = (stack.ROOT / "audiencesync" / "settings.py").read_text()
DAYS = re.findall(r'env\.days\("(\w+)"', SETTINGS)
NUMBERS = re.findall(r'env\.(whole|amount)\(\s*"(\w+)", [^,]+, least=([\w.]+), most=', SETTINGS)
FLAGS = re.findall(r'env\.flag\("(\w+)"', SETTINGS)
LIMITS = {"track": "3000/3", "users": "20000/60"}


def load(**more):
    """Load the settings in a new process and return its exit code and output."""
    env = stack.environment(stack.ROOT / "build" / "var-of-settings", **more)
    code = (
        "from audiencesync.core.process.start import exit_on_bad_settings\n"
        "with exit_on_bad_settings():\n    from audiencesync import settings"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=stack.ROOT, env=env, capture_output=True, text=True
    )
    return done.returncode, done.stdout + done.stderr


def test_every_numeric_setting_has_bounds():
    assert re.findall(r"env\.(int|float|bool)\(", SETTINGS) == []
    assert len(DAYS) == 11
    assert len(NUMBERS) >= 18
    assert len(FLAGS) >= 5


@pytest.mark.parametrize("name", DAYS)
@pytest.mark.parametrize("value", ["-1", "-0.5", "0.001", "nan", "inf", "1e99", "ten", "٣٠", "1_0"])
def test_days_that_would_empty_a_table_are_refused(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ImproperlyConfigured, match=name):
        Environment().days(name, 90.0)


@pytest.mark.parametrize(("value", "days"), [("0", 0), ("1", 1), ("365.5", 365.5), (" 30 ", 30)])
def test_valid_days_are_accepted(monkeypatch, value, days):
    monkeypatch.setenv("KEEP_PUSHES_DAYS", value)
    assert Environment().days("KEEP_PUSHES_DAYS", 90.0) == days


@pytest.mark.parametrize("value", ["0", "-3", "2.5", "1e3", "nan", "", "١٢", "65"])
def test_a_whole_number_out_of_bounds_is_refused(monkeypatch, value):
    monkeypatch.setenv("ENGINE_WORKERS", value)
    with pytest.raises(
        ImproperlyConfigured, match="ENGINE_WORKERS must be a whole number from 1 to 64"
    ):
        Environment().whole("ENGINE_WORKERS", 3, least=1, most=64)


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "-inf", "", "5s", "61"])
def test_seconds_out_of_bounds_are_refused(monkeypatch, value):
    monkeypatch.setenv("BEAT_SECONDS", value)
    with pytest.raises(ImproperlyConfigured, match=r"BEAT_SECONDS must be a number from 0.1 to 60"):
        Environment().amount("BEAT_SECONDS", 5.0, least=0.1, most=60)


@pytest.mark.parametrize(
    "value",
    [" ", "x", "fifteen-letters", "seventeen letters", "a-tab-at-the-end\t", "sechzehnmal-ein-ü"],
)
def test_a_short_or_unprintable_token_is_refused(monkeypatch, value):
    monkeypatch.setenv("METRICS_TOKEN", value)
    with pytest.raises(ImproperlyConfigured, match="METRICS_TOKEN must be at least 16"):
        Environment().token("METRICS_TOKEN", least=16)


@pytest.mark.parametrize(
    ("value", "flag"), [("1", True), ("True", True), ("on", True), ("0", False), ("", False)]
)
def test_a_boolean_is_read(monkeypatch, value, flag):
    monkeypatch.setenv("BEHIND_PROXY", value)
    assert Environment().flag("BEHIND_PROXY", not flag) is flag


def test_a_misspelt_boolean_is_refused(monkeypatch):
    monkeypatch.setenv("BEHIND_PROXY", "tru")
    with pytest.raises(ImproperlyConfigured, match="BEHIND_PROXY must be 1 or 0"):
        Environment().flag("BEHIND_PROXY", default=False)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"foo": "1/2"}, "API_LIMITS knows track, users, not foo"),
        ({"track": "3000"}, "API_LIMITS must look like track=3000/3"),
        ({"track": "0/3"}, "API_LIMITS needs at least 1 call"),
        ({"track": "3000/0"}, "API_LIMITS needs at least 1 call"),
        ({"track": "3000/-1"}, "API_LIMITS needs at least 1 call"),
        ({"track": "٣/3"}, "API_LIMITS needs at least 1 call"),
        ({"track": "1_0/3"}, "API_LIMITS needs at least 1 call"),
        ({"track": "1.5/3"}, "API_LIMITS needs at least 1 call"),
        ({"track": "inf/3"}, "API_LIMITS needs at least 1 call"),
        ({"track": "3000/0.0000001"}, "API_LIMITS needs at least 1 call"),
        ({"track": "99999999999999999999/1"}, "API_LIMITS needs at least 1 call"),
        ({"track": "3000/nan"}, "API_LIMITS needs at least 1 call"),
    ],
)
def test_rate_limits_that_would_close_the_api_are_refused(given, message):
    with pytest.raises(ImproperlyConfigured, match=message):
        rate_limits("API_LIMITS", given, defaults=LIMITS)


def test_other_rate_limits_keep_their_default():
    assert rate_limits("API_LIMITS", {"users": "5/1"}, defaults=LIMITS) == {
        "track": (3000, 3.0),
        "users": (5, 1.0),
    }


def test_a_duration_must_be_shorter_than_its_limit():
    require_shorter("A", 1, than="B", limit=2)
    with pytest.raises(ImproperlyConfigured, match=r"A \(2\) must be shorter than B \(2\)"):
        require_shorter("A", 2, than="B", limit=2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"SYNC_LEASE": "20", "SYNC_REQUEST_DEADLINE": "20"},
            "SYNC_REQUEST_DEADLINE (20) must be shorter",
        ),
        (
            {"SYNC_BACKOFF_BASE": "10", "SYNC_BACKOFF_MAX": "5"},
            "SYNC_BACKOFF_BASE must not be longer",
        ),
        (
            {"DEMO": "0", "SYNC_ERASURE_REST": "10"},
            "SYNC_LEASE (60) must be shorter than SYNC_ERASURE_REST (10).",
        ),
        ({"DEMO": "0", "SYNC_DEADLINE": "13"}, "SYNC_DEADLINE must be a number from 600 to"),
        (
            {"DEMO": "0", "SYNC_ERASURE_DEADLINE": "900"},
            "SYNC_ERASURE_REST (900) must be shorter than SYNC_ERASURE_DEADLINE (900).",
        ),
        ({"VAR_DIR": " "}, "VAR_DIR must be a path."),
        (
            {"TIKTOK_PRESET": "nonsense"},
            "TIKTOK_PRESET must be published_by_braze or published_by_tiktok.",
        ),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL."),
        ({"KEEP_PUSHES_DAYS": "-1"}, "KEEP_PUSHES_DAYS must be a number from 0 to 36500."),
    ],
)
def test_invalid_settings_are_refused_in_one_line(more, message):
    code, output = load(**more)
    assert (code, output.count("\n")) == (4, 1)
    assert output.startswith(f"AudienceSync does not start: {message}")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["WEB_WORKERS", "WEB_THREADS", "WEB_PORT"])
def test_the_web_server_names_an_invalid_variable(tmp_path, name):
    env = stack.environment(tmp_path, **{name: "three"})
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn"],
        cwd=stack.ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 4
    assert done.stderr.startswith(
        f"AudienceSync does not start: {name} must be a whole number from 1 to "
    )
    assert done.stderr.count("\n") == 1
