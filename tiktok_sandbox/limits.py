"""The published limits as presets, and the windows that measure requests per second."""

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class Limits:
    """Limits of one preset; None: no limit. Rates are requests within any second."""

    name: str
    people_per_request: int | None
    ids_per_request: int | None
    app_rate: int | None  # all calls of the app
    mapping_rate: int | None = None  # calls of segment/mapping, per ad account
    audience_rate: int | None = 1  # calls of segment/audience, per ad account
    audiences_per_request: int = 10
    audiences_per_account: int = 400


# Braze, a commercial product, and TikTok publish different limits; AudienceSync keeps to Braze's.
PRESETS = {
    preset.name: preset
    for preset in (
        Limits("published_by_braze", people_per_request=10_000, ids_per_request=None, app_rate=50),
        Limits(
            "published_by_tiktok",
            people_per_request=None,
            ids_per_request=1_000,
            app_rate=10,
            mapping_rate=5_000,
        ),
    )
}
DEFAULT = PRESETS["published_by_braze"]


class Windows:
    """Sliding windows of one second, one per key.

    `now` is monotonic. A call that is not admitted does not count.
    """

    def __init__(self) -> None:
        self.admitted_at: dict[Hashable, deque[float]] = {}
        self.lock = Lock()

    def admit(self, key: Hashable, *, rate: int | None, now: float) -> bool:
        if rate is None:
            return True
        with self.lock:
            times = self.admitted_at.setdefault(key, deque())
            while times and times[0] <= now - 1:
                times.popleft()
            if len(times) >= rate:
                return False
            times.append(now)
            return True
