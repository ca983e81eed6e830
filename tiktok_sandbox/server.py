"""The HTTP server: threads, keep-alive, and answers that may be slow, cut or dropped."""

import logging
import socket
import sys
import threading
import time
from contextlib import nullcontext
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit

from tiktok_sandbox.pages.routes import answer_page
from tiktok_sandbox.routes import ROOT, answer_api
from tiktok_sandbox.sandbox import Options, Sandbox, open_sandbox
from tiktok_sandbox.wire import Answer, Request, envelope, text

logger = logging.getLogger(__name__)
MAX_BODY = 64 << 20  # bytes
SMALL_BODY = 64 << 10  # bytes; requests with a larger body are handled one after the other
IDLE_SECONDS = 75  # seconds after which a kept-alive connection is closed


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    server: "Server"

    def work(self) -> None:
        """Answer one request of any method."""
        started = time.perf_counter()
        request = self.read()
        if request is None:
            answer = text("413: the body is too large, or has no usable length", 413)
            self.close_connection = True
        else:
            answer = self.server.answer(request)
        self.write(answer)
        if self.server.logs_requests:
            # without the query, which holds secrets, and without characters that move the cursor
            path = unquote(urlsplit(self.path).path).encode("unicode_escape").decode()
            ms = (time.perf_counter() - started) * 1000
            sys.stderr.write(f"{self.command} {path} {answer.status} {ms:.1f} ms\n")

    def read(self) -> Request | None:
        """Return the request; None if its body is too large, chunked, or of unknown length."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > MAX_BODY:
            return None
        body = self.rfile.read(int(length))
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        return Request(self.command, unquote(parts.path), query, headers, body)

    def write(self, answer: Answer) -> None:
        transmission = answer.transmission
        if transmission.delay:
            self.server.sandbox.closing.wait(transmission.delay)
        if transmission.is_dropped:
            self.hang_up()
            return
        if answer.chunks is not None and self.command != "HEAD":
            self.write_chunks(answer)
            return
        head = self.head(answer)
        body = b"" if self.command == "HEAD" else answer.body
        if transmission.drip:
            self.drip(head, body, transmission.drip)
        elif transmission.is_cut:
            self.wfile.write(head + body[: len(body) // 2])
            self.hang_up()
        else:
            self.wfile.write(head + body)

    def head(self, answer: Answer) -> bytes:
        fields = {
            "Date": self.date_time_string(),
            "Content-Type": answer.content_type,
            **answer.headers,
        }
        if answer.chunks is None:
            fields["Content-Length"] = str(len(answer.body))
        else:
            fields["Transfer-Encoding"] = "chunked"
        if self.close_connection:
            fields["Connection"] = "close"
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in fields.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")

    def write_chunks(self, answer: Answer) -> None:
        self.wfile.write(self.head(answer))
        for chunk in filter(None, answer.chunks or ()):
            self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.write(b"0\r\n\r\n")

    def drip(self, head: bytes, body: bytes, seconds: float) -> None:
        """Send the body byte by byte, each after a pause of ``seconds``."""
        self.wfile.write(head)
        for at in range(len(body)):
            if self.server.sandbox.closing.wait(seconds):
                return
            self.wfile.write(body[at : at + 1])

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing: the base class would print the query, which holds secrets."""


for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
    setattr(Handler, f"do_{method}", Handler.work)


class Server(ThreadingHTTPServer):
    """A sandbox at ``url``, without a slash at the end. ``serve`` starts it, ``close`` stops it."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    allow_reuse_address = True

    def __init__(self, host: str, port: int, sandbox: Sandbox, *, logs_requests: bool) -> None:
        super().__init__((host, port), Handler)
        self.sandbox = sandbox
        self.logs_requests = logs_requests
        # In parallel, two requests with large bodies would take twice as long as in sequence.
        self.large_body_lock = threading.Lock()
        self.url = f"http://{host}:{self.server_address[1]}"
        self.connections: set[socket.socket] = set()
        poll_seconds = 0.02  # how often the thread checks whether close() was called
        self.thread = threading.Thread(
            target=self.serve_forever, args=(poll_seconds,), name="tiktok-sandbox", daemon=True
        )

    def answer(self, request: Request) -> Answer:
        try:
            if request.path.startswith(ROOT):
                with self.large_body_lock if len(request.body) > SMALL_BODY else nullcontext():
                    return answer_api(self.sandbox, request)
            return answer_page(self.sandbox, request)
        except Exception:  # every failure becomes an error as TikTok would send it
            logger.exception("The sandbox failed at %s", request.path)
            return envelope(50000, "System error.", {})

    def process_request(  # type: ignore[override]  # the base class also takes UDP
        self, request: socket.socket, client_address: object
    ) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(  # type: ignore[override]  # the base class also takes UDP
        self, request: socket.socket
    ) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log errors, except of a client that has disconnected."""
        if not isinstance(sys.exc_info()[1], OSError):
            logger.exception("The sandbox failed on a connection")

    def close(self) -> None:
        self.sandbox.closing.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        self.thread.join(5)
        self.sandbox.store.close()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def serve(
    port: int = 0,
    db: str = ":memory:",
    host: str = "127.0.0.1",
    *,
    logs_requests: bool = False,
    options: Options | None = None,
) -> Server:
    """Start a sandbox; port 0 takes a free one. Raises OSError if the port is taken."""
    server = Server(host, port, open_sandbox(db, options or Options()), logs_requests=logs_requests)
    server.thread.start()
    return server
