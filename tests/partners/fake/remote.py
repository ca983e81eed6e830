"""A tiny ad platform over HTTP that is unlike TikTok: see docs/adding-a-partner.md."""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

EXPIRES_IN = 1800


@dataclass
class Segment:
    """An audience: its ad account, its name and the hashes in it."""

    ad_account: str
    name: str
    members: set = field(default_factory=set)


class Remote:
    """What the platform knows, and ways for a test to look and to break things."""

    def __init__(self):
        self.ad_account = str(uuid4())
        self.codes = {}  # code -> redirect_uri
        self.access, self.refreshing = set(), set()
        self.segments = {}
        self.seen = []  # method, path, body
        self.faults = []  # (path ending, status, code), each for one request
        handler = type("Handler", (_Handler,), {"remote": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def issue_code(self, redirect_uri):
        code = uuid4().hex
        self.codes[code] = redirect_uri
        return code

    def grant(self):
        """Issue an access token and a refresh token."""
        access, refresh = f"access-{uuid4()}", f"refresh-{uuid4()}"
        self.access.add(access)
        self.refreshing.add(refresh)
        return {"access_token": access, "refresh_token": refresh, "expires_in": EXPIRES_IN}

    def expire_access(self):
        self.access.clear()

    def fail(self, ending, status, code, times=1):
        self.faults += [(ending, status, code)] * times

    def pushes(self):
        return [one for one in self.seen if one[1].endswith("/users")]

    def answer(self, method, path, body, token):
        """Return status and content for one request."""
        self.seen.append((method, path, body))
        for fault in self.faults:
            if path.endswith(fault[0]):
                self.faults.remove(fault)
                return fault[1], {"error_code": fault[2]}
        if path == "/token":
            return self._token({name: values[0] for name, values in parse_qs(body).items()})
        if path == "/revoke":
            self.refreshing.discard(json.loads(body)["token"])
            self.access.clear()
            return 200, {}
        if token not in self.access:
            return 401, {"error_code": "E1001"}
        return self._act(method, path.strip("/").split("/"), body)

    def _token(self, asked):
        if asked["grant_type"] == "authorization_code":
            if self.codes.pop(asked["code"], None) != asked["redirect_uri"]:
                return 400, {"error_code": "E1002"}
            return 200, self.grant()
        if asked["refresh_token"] not in self.refreshing:
            return 401, {"error_code": "E1003"}
        self.refreshing.remove(asked["refresh_token"])
        return 200, self.grant()

    def _act(self, method, parts, body):
        match parts:
            case ["me"]:
                return 200, {"id": "u-1", "name": "Mara", "email": "m***@example.org"}
            case ["ad-accounts"]:
                listed = [{"id": self.ad_account, "name": "Acme"}] if self.ad_account else []
                return 200, {"ad_accounts": listed}
            case ["ad-accounts", account, "segments"] if method == "POST":
                key = str(uuid4())
                self.segments[key] = Segment(account, json.loads(body)["name"])
                return 200, {"id": key}
            case ["ad-accounts", account, "segments"]:
                segments = self.segments.items()
                return 200, {
                    "segments": [
                        {"id": key, "name": one.name, "size": len(one.members)}
                        for key, one in segments
                        if one.ad_account == account
                    ]
                }
            case ["segments", key] if key in self.segments:
                del self.segments[key]
                return 200, {}
            case ["segments", key, "users"] if key in self.segments:
                hashes = {cell for row in json.loads(body)["data"] for cell in row if cell}
                members = self.segments[key].members
                members.update(hashes) if method == "POST" else members.difference_update(hashes)
                return 200, {}
        return 404, {"error_code": "E4004"}


class _Handler(BaseHTTPRequestHandler):
    def _serve(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        path = urlsplit(self.path).path
        status, content = self.remote.answer(self.command, path, body, token)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Trace", f"t-{len(self.remote.seen)}")
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_DELETE = _serve

    def log_message(self, *args):
        pass
