"""Refuse a start that is open to others: wildcards, DEBUG, http, demo accounts."""

import pytest

from audiencesync.core import checks
from audiencesync.core.demo_accounts import EMAILS
from audiencesync.groups.models import User

PUBLIC = {"SITE_URL": "https://sync.example.org", "ALLOWED_HOSTS": ["sync.example.org"]}
LOCAL = {"SITE_URL": "http://127.0.0.1:8000", "ALLOWED_HOSTS": ["127.0.0.1"]}


def found(settings, check=checks.public_exposure, **values):
    for name, value in values.items():
        setattr(settings, name, value)
    settings.HTTPS = settings.SITE_URL.startswith("https://")
    return [message.id.rpartition(".")[2] for message in check(None)]


@pytest.mark.parametrize(
    "hosts",
    [
        ["*"],
        ["sync.example.org", "*"],
        [" * "],
        [".org"],
        ["."],
        ["sync.example.org", ".com"],
        [".co.uk"],
    ],
)
@pytest.mark.parametrize("installation", [PUBLIC, LOCAL], ids=["public", "local"])
def test_a_wildcard_host_is_refused(settings, hosts, installation):
    assert found(settings, **installation | {"ALLOWED_HOSTS": hosts}) == ["E009"]


@pytest.mark.parametrize("origin", ["https://*", "https://*.com", "http://*"])
def test_a_wildcard_origin_is_refused(settings, origin):
    assert found(settings, **PUBLIC, CSRF_TRUSTED_ORIGINS=[origin]) == ["E010"]


@pytest.mark.parametrize(
    ("installation", "expected"), [(PUBLIC, ["E011"]), (LOCAL, [])], ids=["public", "local"]
)
def test_debug_is_refused_on_a_public_host(settings, installation, expected):
    assert found(settings, **installation, DEBUG=True) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://sync.example.org", ["E012"]),
        ("http://sync.example.org:8080", ["E012"]),
        ("http://8.8.8.8", ["E012"]),
        ("http://[2001:4860:4860::8888]", ["E012"]),
        ("http://local.example.org", ["E012"]),
        ("http://localhost:8000", []),
        ("http://sync", []),
        ("http://sync.internal", []),
        ("http://192.168.7.7", []),
        ("http://[::1]:8000", []),
        ("https://sync.example.org", []),
    ],
)
def test_http_is_refused_on_a_public_host(settings, url, expected):
    assert found(settings, SITE_URL=url) == expected


def test_explicit_hosts_and_origins_are_accepted(settings):
    origins = ["https://sync.example.org", "https://*.example.org"]
    hosts = ["sync.example.org", ".example.org", "localhost", "[::1]"]
    assert found(settings, **PUBLIC | {"ALLOWED_HOSTS": hosts}, CSRF_TRUSTED_ORIGINS=origins) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", []),
        ("http://sync.internal", []),
        ("http://demo.example.org", ["E014"]),
        ("https://demo.example.org", ["E014"]),
        ("http://8.8.8.8", ["E014"]),
    ],
)
def test_an_open_demo_is_refused_on_a_public_host(settings, url, expected):
    assert found(settings, DEMO=True, SITE_URL=url, ALLOWED_HOSTS=["*"], DEBUG=True) == expected


@pytest.mark.parametrize("email", EMAILS)
def test_an_active_demo_account_is_refused_outside_the_demo(db, settings, email):
    user = User.objects.create_user(email, "any password")
    assert found(settings, checks.demo_users) == ["E013"]
    assert found(settings, checks.demo_users, DEMO=True) == []
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert found(settings, checks.demo_users, DEMO=False) == []


def test_other_accounts_are_accepted(alice, settings):
    assert found(settings, checks.demo_users) == []
