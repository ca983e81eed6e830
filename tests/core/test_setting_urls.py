"""An unusable URL in the settings stops the start; the error names the setting, not its value."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from audiencesync.core.environment import Environment
from audiencesync.core.web import addresses
from tests.core.test_setting_bounds import load

VALID = [
    (addresses.database, "postgres://u:p@db/n"),
    (addresses.database, "postgresql://u:p%2F%40@db.internal:5432/n?sslmode=require"),
    (addresses.database, "postgres://u:p@@db/n"),
    (addresses.database, "postgres://u:p@[::1]:5432/n"),
    (addresses.database, "postgres://u:p@a:5432,b/n"),
    (addresses.database, "postgres:///n"),
    (addresses.database, "postgres://u:p@//var/run/postgresql/n"),
    (addresses.database, "sqlite:////tmp/a folder/x.sqlite3"),
    (addresses.database, "sqlite:///x.sqlite3"),
    (addresses.redis, ""),
    (addresses.redis, "redis://:p@redis:6379/0"),
    (addresses.redis, "rediss://u:p@redis.internal/1?ssl_cert_reqs=none"),
    (addresses.redis, "redis://[::1]:6379"),
    (addresses.redis, "unix:///run/redis.sock?db=1"),
    (addresses.site, "https://sync.example.org:8443"),
    (addresses.site, "http://[::1]:8000"),
    (addresses.service, "https://business-api.tiktok.com/portal/auth"),
    (addresses.service, "http://127.0.0.1:8900/portal/auth"),
    (addresses.service, "http://sandbox:8900"),
    (addresses.call, ""),
    (addresses.call, "https://hc.example.org/ping/canary?rid=1"),
]
# "canary": what must not appear in the error.
INVALID_URLS = {
    addresses.database: [
        "",
        " ",
        "postgres://",
        "postgres://db",
        "postgres://db/",
        "postgres://u:canary/ret@db/n",
        "postgres://u:1/canary@db/n",
        "postgres://u:1?canary@db/n",
        "postgres://u:1#canary@db/n",
        "postgres://u:canary@h:abc/n",
        "postgres://u:canary@h:99999/n",
        "postgres://u:canary@h:0/n",
        "postgres://u:canary@[h/n",
        "postgres://u:cana[ry@h]/n",
        "mysql://u:canary@h/n",
        "u:canary@h/n",
        "postgres://u:canary@a:1,b:70000/n",
        "postgres://u:canary@h/n\n",
        "postgres://u: canary@h/n",
        "sqlite://",
        "sqlite:///",
        "sqlite://:memory:",
        "sqlite:///:memory:",
        "sqlite:///file::memory:",
        "sqlite:////tmp/",
        "sqlite://canary/x",
        "sqlite:///?x=1",
        "sqlite:",
    ],
    addresses.redis: [
        " ",
        "redis://",
        "redis://:canary/ret@cache:6379/0",
        "redis://:1/canary@cache/0",
        "redis://h:abc/0",
        "redis://127.0.0.1:1/x",
        "redis://h:70000/0",
        "redis://:canary@:6379/0",
        "redis://[h/0",
        "unix://",
        "redis://h/0/1",
        "http://:canary@h/0",
        "redis://:canary#1@h/0",
    ],
    addresses.site: [
        "",
        "sync.example.org",
        "https://",
        "https://h/path",
        "https://h?q=1",
        "https://h#x",
        "https://h:abc",
        "https://u:canary@h",
        "javascript://h",
        "https://[h",
        "https://h:70000",
        "https://h\n",
        "https://h i",
    ],
    addresses.service: [
        "",
        "nonsense",
        "javascript:alert(1)",
        "http://evil.example",
        "http://8.8.8.8",
        "https://",
        "//h/x",
        "https://u:canary@h",
        "https://h/x?y=1",
        "https://h;script-src/x",
        "https://h/;x",
        "ftp://h",
    ],
    addresses.call: [
        "nonsense",
        "file:///etc/passwd",
        "https://",
        "https://h:abc/canary",
    ],
}
INVALID = [(parse, url) for parse, urls in INVALID_URLS.items() for url in urls]
VALID_ORIGINS = [
    "https://sync.example.org",
    "https://sync.example.org:8443",
    "https://*.example.org",
    "http://127.0.0.1:8000",
    "http://sync.internal",
]
INVALID_ORIGINS = [
    "",
    " ",
    "sync.example.org",
    "http://sync.example.org",
    "https://sync.example.org/",
    "https://u:canary@h",
    "https://*",
    "https://*.*.example.org",
    "*",
    "null",
    "javascript:alert(1)",
    "http://*.example.org",
]


@pytest.mark.parametrize("url", VALID_ORIGINS)
def test_an_https_origin_is_accepted(url):
    assert addresses.origin("NAME", url, must_be_safe=True) == url


def test_an_http_origin_is_accepted_without_https():
    assert addresses.origin("NAME", "http://sync.example.org", must_be_safe=False)


@pytest.mark.parametrize("url", INVALID_ORIGINS)
def test_an_origin_that_others_control_is_refused(url):
    with pytest.raises(ImproperlyConfigured, match=r"\ANAME must look like [^\n]*\.\Z"):
        addresses.origin("NAME", url, must_be_safe=True)


@pytest.mark.parametrize(("parse", "url"), VALID)
def test_a_valid_url_is_accepted(parse, url):
    assert parse("NAME", url) == url


@pytest.mark.parametrize(("parse", "url"), INVALID)
def test_an_invalid_url_is_refused_without_its_value(parse, url):
    with pytest.raises(ImproperlyConfigured, match=r"\ANAME must look like [^\n]*\.\Z") as refused:
        parse("NAME", url)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("value", ["$canary", "$", "$EMAIL_HOST_PASSWORD", "$$a"])
def test_a_password_beginning_with_a_dollar_is_read_literally(monkeypatch, value):
    monkeypatch.setenv("EMAIL_HOST_PASSWORD", value)
    assert Environment().str("EMAIL_HOST_PASSWORD", "") == value


@pytest.mark.slow
def test_a_slash_in_the_database_password_is_refused_in_one_line():
    code, output = load(DATABASE_URL="postgres://user:Sec/ret@db/n")
    assert (code, output.count("\n")) == (4, 1)
    assert output.startswith("AudienceSync does not start: DATABASE_URL must look like postgres://")
    assert "Sec" not in output
