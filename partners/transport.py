"""One HTTP exchange: with a total deadline and a size limit, without redirects or logged secrets.

The read timeout of `requests` starts again with every byte, so a slow server could hold a worker
for ever. Here each exchange has a watch, a timer that shuts the connection down at the deadline.
The adapter, pool and connection classes below pass the socket to the watch.
"""

import logging
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util.connection import create_connection

from partners.errors import scrub

MAX_ANSWER = 1024 * 1024  # bytes
CHUNK = 64 * 1024  # bytes
_BEGIN_OF_QUERY = re.compile(r"\?|\(url=")
_running = threading.local()  # .watch: the watch of the exchange that runs in this thread


class NoAnswer(Exception):
    """There is no complete answer; the request may have been applied.

    ``reason`` is our own text: it contains nothing that the other side sent.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def retry_after(self) -> str:
        """Return the header Retry-After, or ""."""
        return self.headers.get("Retry-After", "")


def new_session() -> requests.Session:
    """Make a session without proxies, netrc, cookies, redirects and retries.

    Threads may share it, forked processes may not.
    """
    session = _Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update(
        {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "AudienceSync"}
    )
    for prefix in ("http://", "https://"):
        session.mount(prefix, _WatchedAdapter(pool_connections=4, pool_maxsize=32, max_retries=0))
    return session


def fetch(
    session: requests.Session,
    request: requests.Request,
    *,
    seconds: float,
    allows: Callable[[str], bool] | None = None,
) -> Answer:
    """Send and read the whole answer within ``seconds``, or raise NoAnswer.

    ``allows(address)`` returns whether a new connection may go to this IP address.
    """
    watch = _running.watch = _Watch(seconds, allows)
    reason = ""
    try:
        return _exchange(session, request, watch)
    except _TooLarge:
        reason = "answer too large"
    except (requests.RequestException, HTTPError, OSError, ValueError) as error:
        # Keep only the type of the error: its text may hold the URL with the secret, or the token.
        reason = type(error).__name__
    finally:
        watch.finish()
        del _running.watch
    # Outside of except: a chained exception would show the URL with its secret in the log.
    raise NoAnswer("deadline" if watch.is_over or watch.left() <= 0 else reason)


def _exchange(session: requests.Session, request: requests.Request, watch: "_Watch") -> Answer:
    prepared = session.prepare_request(request)
    timeout = max(watch.left(), 0.001)  # requests does not take 0
    with session.send(
        prepared, stream=True, allow_redirects=False, timeout=timeout, proxies={}
    ) as response:
        body = bytearray()
        for chunk in response.iter_content(CHUNK):
            body += chunk
            if len(body) > MAX_ANSWER:
                raise _TooLarge
        if watch.is_over:  # without a Content-Length, a cut answer looks complete
            raise TimeoutError
        return Answer(response.status_code, bytes(body), response.headers)


class _TooLarge(Exception):
    pass


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None, so that `send` does not read the body of a redirect, however large it is."""
        return


class _Watch:
    """Shuts down the connection of one exchange at its deadline."""

    def __init__(self, seconds: float, allows: Callable[[str], bool] | None = None) -> None:
        self.allows = allows
        self.ends_at = time.monotonic() + seconds
        self.is_over = False
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def left(self) -> float:
        return self.ends_at - time.monotonic()

    def follow(self, sock: socket.socket) -> None:
        """Keep a duplicate of the socket: the TLS handshake replaces the original."""
        with self._lock:
            if self.is_over or self.left() <= 0:
                raise TimeoutError
            if self._socket is None:
                self._socket = socket.socket(fileno=os.dup(sock.fileno()))

    def finish(self) -> None:
        """End the watch after the exchange; the connection stays open for the next one."""
        self._timer.cancel()
        with self._lock:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def _cut(self) -> None:
        with self._lock:
            self.is_over = True
            if self._socket is not None:
                try:
                    self._socket.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return  # the other side has closed it meanwhile


class _WatchedConnection(HTTPConnection):
    """Connects within the time that is left, and passes its socket to the watch."""

    def _new_conn(self) -> socket.socket:
        watch: _Watch = _running.watch
        for *_, address in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
            if watch.left() <= 0:
                break
            if watch.allows is not None and not watch.allows(str(address[0])):
                continue
            try:
                sock = create_connection(
                    (str(address[0]), self.port), watch.left(), socket_options=self.socket_options
                )
            except OSError:
                continue  # the next address
            watch.follow(sock)
            return sock
        raise NewConnectionError(self, "no address answers")

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            _running.watch.follow(self.sock)  # a connection kept open by an earlier exchange
        super().request(*args, **kwargs)


class _WatchedTLSConnection(_WatchedConnection, HTTPSConnection):
    pass


class _WatchedPool(HTTPConnectionPool):
    ConnectionCls = _WatchedConnection


class _WatchedTLSPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTLSConnection


class _WatchedAdapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _WatchedPool, "https": _WatchedTLSPool}


class _NoSecrets(logging.Filter):
    """Cuts the log lines of urllib3 where a query begins: it may hold the app secret."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = scrub(_BEGIN_OF_QUERY.split(record.getMessage())[0]), ()
        record.exc_info = None
        return True


for _name in (
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
):
    logging.getLogger(_name).addFilter(_NoSecrets())
