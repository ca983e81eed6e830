"""The shapes of addresses in settings. What does not fit is named, never repeated: it may hold a password."""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

LOCAL = (".localhost", ".local", ".test", ".internal", ".lan", ".home.arpa")
_USER = r"(?:[^\s/?#]*@)?"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?:0*[1-9]\d{0,4}))?"
_QUERY = r"(?:\?[^\s#]*)?"
_POSTGRES = re.compile(
    rf"postgres(?:ql)?://{_USER}(?:{_HOST}(?:,{_HOST})*)?/(?:/[^\s?#@]*/)?[^\s/?#@]+{_QUERY}",
    re.ASCII,
)
_SQLITE = re.compile(r"sqlite:///(?!:|file:|/*(?:\?|\Z)).*[^/]", re.DOTALL)
_REDIS = re.compile(
    rf"rediss?://{_USER}{_HOST}(?:/\d*)?{_QUERY}|unix://{_USER}/[^\s?#@]+{_QUERY}", re.ASCII
)
_WEB = re.compile(rf"(https?)://({_HOST})(/[^\s?#@;,\"'<>\\]*)?({_QUERY})", re.ASCII)


def _refuse_unless(fits: object, variable: str, example: str) -> None:
    if not fits:
        raise ImproperlyConfigured(f"{variable} must look like {example}.")


def _has_ports(netloc: str) -> bool:
    """Whether every port is one; the digits were counted before."""
    ports = re.findall(r":(\d+)(?:,|\Z)", re.sub(r"\[[^\]]*\]", "", netloc.rpartition("@")[2]))
    return all(0 < int(port) < 65_536 for port in ports)


def database(variable: str, url: str) -> str:
    """The address of PostgreSQL or of a file of SQLite; a database in memory ends with its process."""
    if url.startswith("sqlite:"):
        _refuse_unless(
            _SQLITE.fullmatch(url) and "\0" not in url,
            variable,
            "sqlite:////path/of/a/file.sqlite3",
        )
    else:
        fits = _POSTGRES.fullmatch(url) and _has_ports(url.partition("://")[2].partition("/")[0])
        _refuse_unless(fits, variable, "postgres://<user>:<password>@<host>/<name>")
    return url


def redis(variable: str, url: str) -> str:
    """The address of a Redis, or nothing."""
    fits = _REDIS.fullmatch(url) and _has_ports(
        url.partition("://")[2].partition("/")[0].partition("?")[0]
    )
    _refuse_unless(not url or fits, variable, "redis://:<password>@<host>:6379/0")
    return url


def site(variable: str, url: str) -> str:
    """Scheme, host and port of a page of ours, without a path."""
    found = _web(url)
    _refuse_unless(found and not found[3] and not found[4], variable, "https://sync.example.org")
    return url


def origin(variable: str, url: str, *, must_be_safe: bool) -> str:
    """Scheme, host and port of a page whose forms are taken; ``*.`` stands for every name below."""
    found = _web(url.replace("://*.", "://any.", 1))
    is_safe = found and (found[1] == "https" or is_local(urlsplit(url).hostname or ""))
    _refuse_unless(
        found and not found[3] and not found[4] and (is_safe or not must_be_safe),
        variable,
        "https://sync.example.org",
    )
    return url


def service(variable: str, url: str) -> str:
    """A page of a partner that secrets are sent to: readable for others only on the way to a local name."""
    found = _web(url)
    fits = (
        found and not found[4] and (found[1] == "https" or is_local(urlsplit(url).hostname or ""))
    )
    _refuse_unless(fits, variable, "https://business-api.example.org")
    return url


def call(variable: str, url: str) -> str:
    """A page that is called and not read, or nothing."""
    _refuse_unless(not url or _web(url), variable, "https://ping.example.org/abc")
    return url


def _web(url: str) -> re.Match[str] | None:
    found = _WEB.fullmatch(url)
    return found if found and _has_ports(found[2]) else None


def is_local(name: str) -> bool:
    """Whether a host name is this machine's, or of a network that is not the internet."""
    bare = name.strip("[]").rstrip(".").lower()
    try:
        return not ipaddress.ip_address(bare).is_global
    except ValueError:
        return "." not in bare or bare.endswith(LOCAL)
