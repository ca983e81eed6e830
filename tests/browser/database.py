"""What the browser tests read and change in the database of their stack."""

import sqlite3
from contextlib import closing, contextmanager

from tests.support.stack import wait_until

# Subscribers of the newsletter.
SUBSCRIBERS_SQL = """
SELECT p.ads_consent, p.ad_tracking_enabled,
  p.email_sha256, p.phone_sha256, p.idfa_sha256, p.gaid_sha256
FROM people_profile p JOIN groups_appgroup g ON g.id = p.app_group_id
WHERE g.slug = 'acme' AND json_extract(p.attributes, '$.newsletter')
"""
ALL_ENTERED_SQL = "SELECT entry_until IS NULL FROM canvases_canvas WHERE name = ?"
END_DELAY_SQL = """
UPDATE canvases_visit SET due_at = entered_at
WHERE due_at IS NOT NULL AND canvas_id = (SELECT id FROM canvases_canvas WHERE name = ?)
"""
IN_FLIGHT_SQL = "SELECT count(*) FROM partners_batch WHERE state = 'pending' AND lease <> ''"
POSTPONE_SQL = """
UPDATE partners_batch SET due_at = datetime('now', '+1 hour')
WHERE state = 'pending' AND lease = ''
"""


@contextmanager
def connect(stack):
    """Yield a connection to the database of the stack, which commits each statement."""
    file = stack.var / "audiencesync.sqlite3"
    # The engine holds the lock for a while on a busy machine.
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as session:
        yield session


def execute(stack, *statements):
    """Execute statements in one transaction."""
    with connect(stack) as session:
        for statement in ("BEGIN IMMEDIATE", *statements, "COMMIT"):
            session.execute(statement)


def count_subscribers(stack):
    """Count subscribers one by one; return how many there are, can be added, can be removed."""
    with connect(stack) as session:
        rows = session.execute(SUBSCRIBERS_SQL).fetchall()
    n_addable = n_removable = 0
    for consent, tracking, email, phone, idfa, gaid in rows:
        # NULL is unknown, which is no refusal; a refused tracking excludes the device ids.
        devices = (idfa, gaid) if tracking != 0 else ()
        n_addable += consent != 0 and any((email, phone, *devices))
        n_removable += any((email, phone, idfa, gaid))
    return len(rows), n_addable, n_removable


def end_delay(stack, canvas):
    """Let all people of a live canvas leave its delay now, however long it is."""
    with connect(stack) as session:

        def all_have_entered():
            return session.execute(ALL_ENTERED_SQL, [canvas]).fetchone()[0]

        wait_until(all_have_entered, seconds=120, what="people are still entering")
        session.execute(END_DELAY_SQL, [canvas])


def postpone_retries(stack):
    """Let no pending people be in flight for the next hour, unless a reconnect sends them."""
    with connect(stack) as session:

        def none_is_in_flight():
            session.execute("BEGIN IMMEDIATE")
            session.execute(POSTPONE_SQL)
            n_in_flight = session.execute(IN_FLIGHT_SQL).fetchone()[0]
            session.execute("COMMIT")
            return n_in_flight == 0

        wait_until(none_is_in_flight, seconds=60, what="people are in flight")
