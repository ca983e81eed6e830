"""Validation of URLs in settings: each function returns the URL, or raises ImproperlyConfigured.

An error names the variable, not its value: it may hold a password.
"""

import ipaddress
import re
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

LOCAL_SUFFIXES = (".localhost", ".local", ".test", ".internal", ".lan", ".home.arpa")
_LOGIN = r"(?:[^\s/?#]*@)?"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::(?:0*[1-9]\d{0,4}))?"
_QUERY = r"(?:\?[^\s#]*)?"
_POSTGRES = re.compile(
    rf"postgres(?:ql)?://{_LOGIN}(?:{_HOST}(?:,{_HOST})*)?/(?:/[^\s?#@]*/)?[^\s/?#@]+{_QUERY}",
    re.ASCII,
)
_SQLITE = re.compile(r"sqlite:///(?!:|file:|/*(?:\?|\Z)).*[^/]", re.DOTALL)
_REDIS = re.compile(
    rf"rediss?://{_LOGIN}{_HOST}(?:/\d*)?{_QUERY}|unix://{_LOGIN}/[^\s?#@]+{_QUERY}", re.ASCII
)
_WEB = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_HOST})(?P<path>/[^\s?#@;,\"'<>\\]*)?(?P<query>{_QUERY})",
    re.ASCII,
)


def _require(is_valid: object, variable: str, example: str) -> None:
    if not is_valid:
        raise ImproperlyConfigured(f"{variable} must look like {example}.")


def _has_valid_ports(netloc: str) -> bool:
    """Return whether every port is below 65,536; the patterns above count only digits."""
    ports = re.findall(r":(\d+)(?:,|\Z)", re.sub(r"\[[^\]]*\]", "", netloc.rpartition("@")[2]))
    return all(0 < int(port) < 65_536 for port in ports)


def database(variable: str, url: str) -> str:
    """Return the URL of a PostgreSQL or of a SQLite file. Raises ImproperlyConfigured."""
    # A SQLite database in memory is refused: it would end with its process.
    if url.startswith("sqlite:"):
        is_valid = _SQLITE.fullmatch(url) and "\0" not in url
        _require(is_valid, variable, "sqlite:////path/of/a/file.sqlite3")
    else:
        netloc = url.partition("://")[2].partition("/")[0]
        is_valid = _POSTGRES.fullmatch(url) and _has_valid_ports(netloc)
        _require(is_valid, variable, "postgres://<user>:<password>@<host>/<name>")
    return url


def redis(variable: str, url: str) -> str:
    """Return the URL of a Redis, or an empty text. Raises ImproperlyConfigured."""
    netloc = url.partition("://")[2].partition("/")[0].partition("?")[0]
    is_valid = _REDIS.fullmatch(url) and _has_valid_ports(netloc)
    _require(not url or is_valid, variable, "redis://:<password>@<host>:6379/0")
    return url


def site(variable: str, url: str) -> str:
    """Return scheme, host and port of this installation, without a path.

    Raises ImproperlyConfigured.
    """
    match = _match_web(url)
    _require(
        match and not match["path"] and not match["query"], variable, "https://sync.example.org"
    )
    return url


def origin(variable: str, url: str, *, must_be_safe: bool) -> str:
    """Return an origin whose forms are accepted; ``*.`` allows all subdomains.

    ``must_be_safe``: refuse plain HTTP, except to local hosts. Raises ImproperlyConfigured.
    """
    match = _match_web(url.replace("://*.", "://any.", 1))
    is_safe = match and (match["scheme"] == "https" or is_local(urlsplit(url).hostname or ""))
    _require(
        match and not match["path"] and not match["query"] and (is_safe or not must_be_safe),
        variable,
        "https://sync.example.org",
    )
    return url


def service(variable: str, url: str) -> str:
    """Return the URL of a partner's API. Raises ImproperlyConfigured."""
    # Secrets are sent there: plain HTTP is allowed to local hosts only.
    match = _match_web(url)
    is_safe = match and (match["scheme"] == "https" or is_local(urlsplit(url).hostname or ""))
    _require(match and not match["query"] and is_safe, variable, "https://business-api.example.org")
    return url


def call(variable: str, url: str) -> str:
    """Return a URL that is only called (a health ping), or an empty text.

    Raises ImproperlyConfigured.
    """
    _require(not url or _match_web(url), variable, "https://ping.example.org/abc")
    return url


def _match_web(url: str) -> re.Match[str] | None:
    match = _WEB.fullmatch(url)
    return match if match and _has_valid_ports(match["host"]) else None


def is_local(name: str) -> bool:
    """Return whether a host name belongs to this machine or to a private network."""
    bare = name.strip("[]").rstrip(".").lower()
    try:
        return not ipaddress.ip_address(bare).is_global
    except ValueError:
        return "." not in bare or bare.endswith(LOCAL_SUFFIXES)


def path(variable: str, text: str) -> str:
    """Return a path without a slash at its beginning and with one at its end, or an empty text.

    Raises ImproperlyConfigured.
    """
    bare = text.strip("/")
    _require(
        not bare or re.fullmatch(r"[\w-]+(/[\w-]+)*", bare, re.ASCII), variable, "staff/tables/"
    )
    return bare and f"{bare}/"
