"""A start that would be open to others is refused in one line: wildcards, DEBUG, http, accounts of the demo."""

import pytest

from audiencesync.core import checks
from audiencesync.core.demo_accounts import EMAILS
from audiencesync.groups.models import User

PUBLIC = {"SITE_URL": "https://sync.example.org", "ALLOWED_HOSTS": ["sync.example.org"]}
AT_HOME = {"SITE_URL": "http://127.0.0.1:8000", "ALLOWED_HOSTS": ["127.0.0.1"]}


def found(settings, check=checks.openness, **values):
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
@pytest.mark.parametrize("place", [PUBLIC, AT_HOME], ids=["public", "at home"])
def test_a_wildcard_of_hosts_is_refused(settings, hosts, place):
    assert found(settings, **place | {"ALLOWED_HOSTS": hosts}) == ["E009"]


@pytest.mark.parametrize("origin", ["https://*", "https://*.com", "http://*"])
def test_a_wildcard_of_trusted_origins_is_refused(settings, origin):
    assert found(settings, **PUBLIC, CSRF_TRUSTED_ORIGINS=[origin]) == ["E010"]


@pytest.mark.parametrize(
    ("place", "expected"), [(PUBLIC, ["E011"]), (AT_HOME, [])], ids=["public", "at home"]
)
def test_debug_is_for_ones_own_machine(settings, place, expected):
    assert found(settings, **place, DEBUG=True) == expected


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
def test_http_is_for_names_that_are_not_public(settings, url, expected):
    assert found(settings, SITE_URL=url) == expected


def test_what_is_named_well_is_allowed(settings):
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
def test_the_demo_may_be_open_where_nobody_else_comes(settings, url, expected):
    assert found(settings, DEMO=True, SITE_URL=url, ALLOWED_HOSTS=["*"], DEBUG=True) == expected


@pytest.mark.parametrize("email", EMAILS)
def test_an_account_of_the_demo_is_refused_outside_the_demo(db, settings, email):
    user = User.objects.create_user(email, "any password")
    assert found(settings, checks.demo_users) == ["E013"]
    assert found(settings, checks.demo_users, DEMO=True) == []
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert found(settings, checks.demo_users, DEMO=False) == []


def test_other_accounts_are_not_refused(alice, settings):
    assert found(settings, checks.demo_users) == []
