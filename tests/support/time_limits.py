"""A plugin of pytest: statements of a page get the time they need on a busy machine.

The product cuts some off after 0.3 to 10 seconds, and shows less. Only tests that are about a limit
should meet one: they set a shorter one. Not lengthened is what is left of the time of several
statements once it is below SHORTEST (live segments, the counts of the list of segments).
"""

import time

import pytest

from audiencesync.core.database import time_limit

MORE_SECONDS = 60
SHORTEST = 0.25  # seconds; the product's limits of one statement are longer, those of tests shorter


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
