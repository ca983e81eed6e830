"""What was asked: one line per API call, without tokens, names or hashes, and how many fell into one second at most."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock


@dataclass
class Line:
    """`at` is seconds since 1970; code is None where nothing was answered in TikTok's form."""

    at: float
    endpoint: str
    method: str
    action: str = ""
    people: int = 0
    ids: int = 0
    audiences: list[str] = field(default_factory=list)
    advertisers: list[str] = field(default_factory=list)
    code: int | None = None
    fault: str = ""
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
            return [self.lines[-at] for at in range(1, min(n, len(self.lines)) + 1)]

    def all(self) -> list[Line]:
        with self.lock:
            return list(self.lines)

    def clear(self) -> None:
        with self.lock:
            self.lines.clear()


def busiest_second(times: Iterable[float]) -> int:
    """The most calls that fell into any window of one second."""
    window: deque[float] = deque()
    most = 0
    for at in sorted(times):
        window.append(at)
        while window[0] <= at - 1:
            window.popleft()
        most = max(most, len(window))
    return most
