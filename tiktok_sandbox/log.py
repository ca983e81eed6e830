"""The log of API calls, without tokens, names or hashes."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Line:
    """One call; the fields are keys of the JSON of /sandbox/api/requests/."""

    at: float  # seconds since 1970
    endpoint: str
    method: str
    action: str = ""
    people: int = 0
    ids: int = 0
    audiences: list[str] = field(default_factory=list)
    advertisers: list[str] = field(default_factory=list)
    code: int | None = None  # None: the answer was not TikTok's envelope
    fault: str = ""  # kinds of the faults that hit the call
    ms: float = 0


class Log:
    """The last `size` calls."""

    def __init__(self, size: int = 100_000) -> None:
        self.lines: deque[Line] = deque(maxlen=size)
        self.lock = Lock()

    def add(self, line: Line) -> None:
        with self.lock:
            self.lines.append(line)

    def newest(self, n: int) -> list[Line]:
        with self.lock:
            return [self.lines[-back] for back in range(1, min(n, len(self.lines)) + 1)]

    def all(self) -> list[Line]:
        with self.lock:
            return list(self.lines)

    def clear(self) -> None:
        with self.lock:
            self.lines.clear()


def busiest_second(times: Iterable[float]) -> int:
    """Return the most calls within any window of one second."""
    window: deque[float] = deque()
    highest = 0
    for at in sorted(times):
        window.append(at)
        while window[0] <= at - 1:
            window.popleft()
        highest = max(highest, len(window))
    return highest
