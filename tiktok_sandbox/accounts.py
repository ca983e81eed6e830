"""TikTok users, their ad accounts ("advertisers"), authorisation codes and access tokens.

Codes and tokens are stored as digests. The access of a user to an ad account can be taken away; it
is then called dropped.
"""

import secrets
import time
from dataclasses import dataclass

from tiktok_sandbox.store import Store, digest
from tiktok_sandbox.wire import TikTokError

CODE_SECONDS = 3600  # seconds for which an authorisation code is valid
AD_ACCOUNTS, AUDIENCES = 1, 3  # permissions ("scope"), as TikTok numbers them


@dataclass(frozen=True)
class User:
    id: str
    name: str
    email: str
    created_at: int


@dataclass(frozen=True)
class Advertiser:
    id: str
    name: str
    currency: str
    country: str
    timezone: str
    display_timezone: str
    status: str
    created_at: int


@dataclass(frozen=True)
class Token:
    user_id: str
    scope: frozenset[int]


class Accounts:
    def __init__(self, store: Store) -> None:
        self.store = store

    def users(self) -> list[User]:
        rows = self.store.all("SELECT id, name, email, created_at FROM user ORDER BY id")
        return [User(str(row[0]), *row[1:]) for row in rows]

    def user(self, user_id: str) -> User | None:
        return next((user for user in self.users() if user.id == user_id), None)

    def advertisers(self) -> list[Advertiser]:
        rows = self.store.all("SELECT * FROM advertiser ORDER BY id")
        return [Advertiser(str(row[0]), *row[1:]) for row in rows]

    def advertisers_of(self, user_id: str) -> list[Advertiser]:
        rows = self.store.all(
            "SELECT advertiser_id FROM access WHERE user_id = ? AND NOT is_dropped", int(user_id)
        )
        ids = {str(row[0]) for row in rows}
        return [advertiser for advertiser in self.advertisers() if advertiser.id in ids]

    def reaches(self, user_id: str, advertiser_id: str) -> bool:
        sql = "SELECT 1 FROM access WHERE user_id = ? AND advertiser_id = ? AND NOT is_dropped"
        return bool(self.store.all(sql, int(user_id), int(advertiser_id)))

    def set_dropped(
        self, is_dropped: bool, *, advertiser_id: str, user_id: str | None = None
    ) -> int:
        """Drop access to an ad account or give it back; return for how many users."""
        sql = """UPDATE access SET is_dropped = ?
                 WHERE advertiser_id = ? AND (? IS NULL OR user_id = ?)"""
        user = int(user_id) if user_id else None
        return self.store.write(sql, is_dropped, int(advertiser_id), user, user)

    def restore(self) -> None:
        """Give all dropped access back."""
        self.store.write("UPDATE access SET is_dropped = 0")

    def dropped_access(self) -> list[dict[str, str]]:
        """Return user and ad account of each dropped access."""
        rows = self.store.all(
            "SELECT user_id, advertiser_id FROM access WHERE is_dropped ORDER BY 1, 2"
        )
        return [
            {"user_id": str(user), "advertiser_id": str(advertiser)} for user, advertiser in rows
        ]

    def issue_code(self, user_id: str, scope: frozenset[int]) -> str:
        code = secrets.token_hex(20)
        sql = "INSERT INTO auth_code (digest, user_id, scope, issued_at) VALUES (?, ?, ?, ?)"
        self.store.write(sql, digest(code), int(user_id), scope_text(scope), time.time())
        return code

    def redeem(self, code: str) -> Token:
        """Use a code, which is valid for one hour and one use. Raises TikTokError."""
        with self.store.lock:
            sql = "SELECT user_id, scope, issued_at, used_at FROM auth_code WHERE digest = ?"
            rows = self.store.all(sql, digest(code))
            if not rows:
                raise TikTokError(40101, "Invalid auth_code.")
            user_id, scope, issued_at, used_at = rows[0]
            if used_at:
                raise TikTokError(40110, "Auth_code is used, please re-authorize.")
            if issued_at + CODE_SECONDS < time.time():
                raise TikTokError(
                    40110,
                    "Auth_code is expired. Please re-authorize and try again with a new auth_code.",
                )
            self.store.write(
                "UPDATE auth_code SET used_at = ? WHERE digest = ?", time.time(), digest(code)
            )
        return Token(str(user_id), parse_scope(scope))

    def issue_token(
        self, user_id: str, scope: frozenset[int] = frozenset({AD_ACCOUNTS, AUDIENCES})
    ) -> str:
        token = secrets.token_hex(20)
        sql = "INSERT INTO token (digest, user_id, scope, issued_at) VALUES (?, ?, ?, ?)"
        self.store.write(sql, digest(token), int(user_id), scope_text(scope), time.time())
        return token

    def token(self, secret: str) -> Token | None:
        """Return the token, None if it is unknown or revoked."""
        sql = "SELECT user_id, scope FROM token WHERE digest = ? AND revoked_at IS NULL"
        rows = self.store.all(sql, digest(secret))
        return Token(str(rows[0][0]), parse_scope(rows[0][1])) if rows else None

    def revoke(self, secret: str) -> bool:
        sql = "UPDATE token SET revoked_at = ? WHERE digest = ? AND revoked_at IS NULL"
        return bool(self.store.write(sql, time.time(), digest(secret)))

    def revoke_all(self, user_id: str | None = None) -> int:
        """Revoke the tokens of one user, or all; return how many."""
        user = int(user_id) if user_id else None
        sql = """UPDATE token SET revoked_at = ?
                 WHERE revoked_at IS NULL AND (? IS NULL OR user_id = ?)"""
        return self.store.write(sql, time.time(), user, user)


def scope_text(scope: frozenset[int]) -> str:
    return ",".join(map(str, sorted(scope)))


def parse_scope(scope: str) -> frozenset[int]:
    return frozenset(map(int, filter(None, scope.split(","))))
