"""The times of the sync queue, in seconds: settings.SYNC, read once from the environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from django.core.exceptions import ImproperlyConfigured

from audiencesync.core import environment


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SyncTimes:
    """Times in seconds, the pace of requests, and the number of threads of a worker."""

    requests_per_second: float  # to one partner, over all machines
    deadline: float  # the retry window: from the first failure until a person is errored
    erasure_deadline: float  # the retry window of removals after an erasure or a withdrawn consent
    erasure_rest: float  # hashes of an erased profile are kept so long after its last removal
    backoff_base: float  # the first pause between retries
    backoff_max: float  # the longest pause
    lease: float  # length of the lease of a batch, or of a privacy job
    create_lease: float  # length of the lease for the creation of an audience
    request_deadline: float  # the longest request to a partner, everything included
    flush_seconds: float  # after this time a run of the sync queue starts no request
    probe: float  # pause between two attempts to use a lost connection
    throttle_park: float  # the longest pause after a partner refused a request as too many
    threads: int

    def check(self, *, is_demo: bool) -> None:
        """Raise ImproperlyConfigured if times contradict each other.

        The demo, where all times are short, need not satisfy the rules about erasures.
        """
        pairs = [("request_deadline", "lease"), ("request_deadline", "create_lease")]
        if not is_demo:  # a late add must not follow the last removal of an erased profile
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
