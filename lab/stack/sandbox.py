"""A client of the sandbox's JSON interface for tests, which TikTok does not have."""

from __future__ import annotations

import json
from typing import Any

from requests import Response, request

TIMEOUT = 60


class SandboxClient:
    """Reads the sandbox's state and log, and sets faults. Raises requests.RequestException."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/sandbox/api/"

    def audiences(self) -> list[dict[str, Any]]:
        """Return all audiences: audience_id, advertiser_id, name, people, ids, base_size."""
        return list(self._call("GET", "audiences/").json()["audiences"])

    def members(self, audience_id: str) -> set[tuple[str, str]]:
        """Return (schema, hash in hex) of everything in an audience."""
        answer = self._call("GET", f"audiences/{audience_id}/members/")
        return {tuple(json.loads(line)) for line in answer.iter_lines()}

    def requests(self, *, limit: int) -> dict[str, Any]:
        """Return the log of API calls, newest first, and figures over all of them."""
        found: dict[str, Any] = self._call("GET", "requests/", params={"limit": limit}).json()
        return found

    def auth_code(self) -> str:
        """Return an authorisation code of the first user, as the consent page gives it."""
        return str(self._call("POST", "auth_codes/").json()["auth_code"])

    def set_fault(self, fault: dict[str, Any]) -> int:
        """Set a fault; return its id, or 0 for one that acts once, such as revoking all tokens."""
        return int(self._call("POST", "faults/", json=fault).json().get("id", 0))

    def clear_fault(self, fault_id: int) -> None:
        self._call("DELETE", "faults/", params={"id": fault_id})

    def clear_faults(self) -> None:
        self._call("DELETE", "faults/")

    def _call(self, method: str, path: str, **more: Any) -> Response:
        answer = request(method, f"{self.url}{path}", timeout=TIMEOUT, **more)
        answer.raise_for_status()
        return answer
