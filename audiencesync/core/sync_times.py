"""The times of the sync queue, in seconds: settings.SYNC, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

from audiencesync.core import environment


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

    def check(self, *, is_demo: bool) -> None:
        """Raise ImproperlyConfigured if times contradict each other. In the demo all are short."""
        pairs = [("request_deadline", "lease"), ("request_deadline", "create_lease")]
        if not is_demo:  # a push after the last removal would leave an erased profile in there
            pairs += [("lease", "erasure_rest"), ("erasure_rest", "erasure_deadline")]
        for name, longer in pairs:
            environment.require_shorter(
                f"SYNC_{name.upper()}",
                getattr(self, name),
                than=f"SYNC_{longer.upper()}",
                limit=getattr(self, longer),
            )
        if self.backoff_base > self.backoff_max:
            raise ImproperlyConfigured(
                "SYNC_BACKOFF_BASE must not be longer than SYNC_BACKOFF_MAX."
            )

    def __or__(self, changes: Mapping[str, float]) -> SyncTimes:
        """Return a copy with some values changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]  # threads is an int
