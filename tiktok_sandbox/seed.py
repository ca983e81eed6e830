"""The demo data: two TikTok users, four ad accounts, audiences of several kinds."""

import hashlib
import time

from tiktok_sandbox.accounts import Advertiser, User
from tiktok_sandbox.audiences import LOOKALIKE, PARTNER, Audiences
from tiktok_sandbox.members import Column
from tiktok_sandbox.store import Store

MARA, JONAS = "6912345678901234501", "6912345678901234502"
EU, UK, US, OUTLET = (str(7012345678901234567 + n) for n in range(4))  # ad accounts
FIRST_AUDIENCE = 7112345678901234567
N_READERS = 1_500
DAY = 86_400
YEAR_2024 = 1_704_067_200  # when 2024 began, in seconds since 1970

USERS = (
    User(MARA, "Mara Lindner", "m***r@acme.example", YEAR_2024),
    User(JONAS, "Jonas Weber", "j***r@acme.example", YEAR_2024 + 40 * DAY),
)
ADVERTISERS = (
    Advertiser(
        EU, "Acme EU", "EUR", "DE", "Etc/GMT-1", "Europe/Berlin", "STATUS_ENABLE", YEAR_2024 + DAY
    ),
    Advertiser(
        UK, "Acme UK", "GBP", "GB", "Etc/GMT", "Europe/London", "STATUS_ENABLE", YEAR_2024 + 9 * DAY
    ),
    Advertiser(
        US,
        "Acme US Brand",
        "USD",
        "US",
        "Etc/GMT+5",
        "America/New_York",
        "STATUS_ENABLE",
        YEAR_2024 + DAY,
    ),
    Advertiser(
        OUTLET,
        "Acme Outlet",
        "EUR",
        "AT",
        "Etc/GMT-1",
        "Europe/Vienna",
        "STATUS_LIMIT",
        YEAR_2024 + 90 * DAY,
    ),
)
ACCESS = {MARA: (EU, UK, US, OUTLET), JONAS: (EU, UK, OUTLET)}
# name, type, calculate_type, size. Only the first one has known members: its journal is filled.
AUDIENCES = (
    ("Newsletter readers", PARTNER, "MULTIPLE_TYPES", 0),
    ("Customers of last year", "Customer File Audience", "EMAIL_SHA256", 48_210),
    ("Similar to customers", LOOKALIKE, None, 1_204_000),
    ("Shop visitors, 30 days", "Website Audience", None, 9_640),
    ("App openers, 7 days", "App Activity Audience", None, 740),
)


def seed(store: Store, audiences: Audiences) -> None:
    """Fill an empty store; do nothing if it holds users."""
    with store.lock:
        if store.all("SELECT 1 FROM user LIMIT 1"):
            return
        store.write_many("INSERT INTO user VALUES (?, ?, ?, ?)", [values(user) for user in USERS])
        store.write_many(
            "INSERT INTO advertiser VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [values(advertiser) for advertiser in ADVERTISERS],
        )
        pairs = [
            (int(user), int(advertiser))
            for user, advertisers in ACCESS.items()
            for advertiser in advertisers
        ]
        store.write_many("INSERT INTO access (user_id, advertiser_id) VALUES (?, ?)", pairs)
        seed_audiences(store, audiences)


def values(row: User | Advertiser) -> tuple[object, ...]:
    """Return the values of the columns."""
    row_id, *others = vars(row).values()
    return int(row_id), *others


def seed_audiences(store: Store, audiences: Audiences) -> None:
    sql = """
        INSERT INTO audience (id, advertiser_id, name, type, calculate_type, base_size, created_at)
        VALUES (?, ?, ?, ?, ?, ?, ?)"""
    created_at = time.time() - 60 * DAY
    for n, advertiser in enumerate(ADVERTISERS):
        for nth, (name, kind, calculate_type, size) in enumerate(AUDIENCES):
            audience_id = FIRST_AUDIENCE + n * len(AUDIENCES) + nth
            details = (audience_id, int(advertiser.id), name, kind, calculate_type)
            store.write(sql, *details, size // (n + 1), created_at + nth * DAY)
            if kind == PARTNER:
                audiences.map("add", [(str(audience_id), [readers()])])


def readers() -> Column:
    """Return made-up people under a domain that cannot exist."""
    ids = b"".join(hashlib.sha256(b"reader-%d@news.invalid" % n).digest() for n in range(N_READERS))
    return Column("EMAIL_SHA256", b"\1" * N_READERS, ids)
