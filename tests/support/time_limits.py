"""A pytest plugin that lengthens the product's time limits of SQL statements.

The product cancels some statements after 0.3 to 10 seconds and then shows less. On a busy machine
this must not happen, except in tests of a limit, which set one below SHORTEST. Where several
statements share a limit, the rest of it can be below SHORTEST, too, and is not lengthened then.
"""

import time

import pytest

from audiencesync.core.database import time_limit

MORE_SECONDS = 60
SHORTEST = 0.25  # seconds; shorter limits are not lengthened


@pytest.fixture(scope="session", autouse=True)
def statements_have_time():
    """Lengthen the limits of statements."""
    limit_postgresql, limit_sqlite = time_limit._limit_postgresql, time_limit._limit_sqlite

    def more_of(seconds: float) -> float:
        return MORE_SECONDS if seconds >= SHORTEST else 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            time_limit,
            "_limit_postgresql",
            lambda seconds: limit_postgresql(seconds + more_of(seconds)),
        )
        patch.setattr(
            time_limit,
            "_limit_sqlite",
            lambda ends_at: limit_sqlite(ends_at + more_of(ends_at - time.monotonic())),
        )
        yield
