"""The times of the sync queue, in seconds: settings.SYNC, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SyncTimes:
    """Times in seconds, the pace of requests, and the number of threads of a worker."""

    requests_per_second: float
    deadline: float  # the retry window: from the first failure until a person is errored
    erasure_deadline: float  # the same for removals after an erasure or a withdrawn consent
    erasure_rest: float
    backoff_base: float
    backoff_max: float
    lease: float
    create_lease: float
    request_deadline: float
    flush_seconds: float
    probe: float
    throttle_park: float
    threads: int

    def __or__(self, changes: Mapping[str, float]) -> SyncTimes:
        """Return a copy with some values changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # threads is an int
