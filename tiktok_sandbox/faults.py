"""Troubles that can be switched on: which call they hit, how often, and what they do to its answer."""

import random
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from threading import Lock

from tiktok_sandbox import params
from tiktok_sandbox.wire import HTML, TEXT, Answer, Manner, Refuse, envelope

# kind -> the parameters it takes, with their defaults; None: must be given
KINDS: dict[str, dict[str, object]] = {
    "throttle": {},
    "code": {"code": None},
    "http_error": {"status": 502},
    "drop": {},
    "not_allowlisted": {},
    "poison": {"hash": None},
    "partial": {"hash": "", "rows": [0], "named": False},
    "slow": {"seconds": 5.0},
    "drip": {"seconds": 0.5},
    "truncated": {},
    "not_json": {},
    "empty": {},
    "wrong_type": {},
    "redirect": {"location": "/sandbox/elsewhere/"},
    "huge": {"megabytes": 5},
    "code_text": {},
    "code_null": {},
    "code_missing": {},
    "apply_then_drop": {},
}
COMMON = {"kind", "endpoint", "advertiser_id", "count", "for_seconds", "share", "code"}
INSTEAD = {"throttle", "code", "http_error", "drop"}  # of handling the call: nothing is applied
WITHIN = {"not_allowlisted", "poison", "partial"}  # the handling asks for these
AFTER = KINDS.keys() - INSTEAD - WITHIN  # the call is handled, its answer spoilt
MESSAGES = {40105: "Access token is incorrect or has been revoked.", 50000: "System error."}


@dataclass(frozen=True)
class Fault:
    """`count` calls are left to be hit, `until` is on the monotonic clock; None: until cleared. `share`: of the calls."""

    id: int
    kind: str
    endpoint: str | None = None
    advertiser_id: str | None = None
    count: int | None = None
    until: float | None = None
    code: int = 0
    status: int = 0
    seconds: float = 0
    megabytes: int = 0
    location: str = ""
    hash: str = ""
    rows: tuple[int, ...] = ()
    named: bool = False
    share: float = 1

    def hits(self, endpoint: str, advertisers: Collection[str]) -> bool:
        return (
            (not self.endpoint or endpoint.startswith(self.endpoint))
            and (not self.advertiser_id or self.advertiser_id in advertisers)
            and (self.share >= 1 or random.random() < self.share)  # noqa: S311  # dice, no secret
        )

    def refusal(self, app_id: str) -> Refuse:
        code = self.code or (40133 if self.advertiser_id else 40100)
        if code == 40100:
            return Refuse(
                code,
                f"Due to too many requests, requests from App {app_id} are temporarily restricted.",
            )
        if code == 40133:
            return Refuse(code, qps_message(self.advertiser_id or "?", 0))
        return Refuse(code, MESSAGES.get(code, f"Sandbox fault with code {code}."))

    def shown(self) -> dict[str, object]:
        """Without what does not belong to its kind; the poisonous hash only by its beginning."""
        said = {
            name: value
            for name, value in asdict(self).items()
            if name in KINDS[self.kind] or name in ALWAYS
        }
        if self.hash:
            said["hash"] = f"{self.hash[:8]}..."
        said["seconds_left"] = round(self.until - time.monotonic(), 1) if self.until else None
        return said


ALWAYS = {"id", "kind", "endpoint", "advertiser_id", "count", "share"}


def qps_message(advertiser_id: str, limit: int) -> str:
    return (
        f"Advertiser ({advertiser_id})'s QPS ({limit + 1}) reaches QPS limit {limit} for current path, "
        "request is temporarily restricted."
    )


class Faults:
    """The standing faults, oldest first; the first that hits a call is the one that counts."""

    def __init__(self) -> None:
        self.standing: list[Fault] = []
        self.lock = Lock()
        self.n = 0

    def set(self, kind: str, **details: object) -> Fault:
        """As KINDS says; all take endpoint, advertiser_id, count, for_seconds and share, too. ValueError if wrong."""
        return self.add({"kind": kind, **details})

    def add(self, wish: Mapping[str, object]) -> Fault:
        try:
            fault = parse(wish)
        except Refuse as refusal:
            raise ValueError(refusal.message) from refusal
        with self.lock:
            self.n += 1
            fault = replace(fault, id=self.n)
            self.standing.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        with self.lock:
            self.standing = [fault for fault in self.standing if fault_id not in (None, fault.id)]

    def list(self) -> list[Fault]:
        with self.lock:
            self.forget_old()
            return list(self.standing)

    def find(
        self, kinds: Collection[str], endpoint: str, advertisers: Collection[str]
    ) -> Fault | None:
        """The first fault that hits, not yet used."""
        return next(
            (one for one in self.list() if one.kind in kinds and one.hits(endpoint, advertisers)),
            None,
        )

    def take(
        self, kinds: Collection[str], endpoint: str, advertisers: Collection[str]
    ) -> Fault | None:
        """The first fault that hits, one of its times used."""
        fault = self.find(kinds, endpoint, advertisers)
        return fault if fault and self.use(fault) else None

    def use(self, fault: Fault) -> bool:
        """False if somebody else used it up meanwhile."""
        with self.lock:
            for at, one in enumerate(self.standing):
                if one.id == fault.id:
                    if one.count is not None:
                        self.standing[at] = replace(one, count=one.count - 1)
                        self.forget_old()
                    return True
        return False

    def forget_old(self) -> None:
        now = time.monotonic()
        self.standing = [
            one
            for one in self.standing
            if one.count != 0 and (one.until is None or one.until > now)
        ]


def parse(wish: Mapping[str, object]) -> Fault:
    """From JSON or a form (all texts). Refuses what is unknown: no test shall wait for a fault with a typing error."""
    kind = params.choice(wish, "kind", KINDS)
    unknown = wish.keys() - KINDS[kind].keys() - COMMON
    if unknown:
        raise params.wrong(", ".join(sorted(unknown)), f"does not go with {kind}")
    given = {name: value for name, value in wish.items() if value not in (None, "")}
    needed = [
        name for name, default in KINDS[kind].items() if default is None and name not in given
    ]
    if needed:
        raise params.missing(*needed)
    values = {**KINDS[kind], **given}
    seconds = number(values, "for_seconds") if "for_seconds" in given else None
    return Fault(
        id=0,
        kind=kind,
        endpoint=params.text(given, "endpoint").strip("/") if "endpoint" in given else None,
        advertiser_id=params.digits(given, "advertiser_id") if "advertiser_id" in given else None,
        count=params.whole(given, "count", default=1, most=10**9) if "count" in given else None,
        until=time.monotonic() + seconds if seconds is not None else None,
        code=params.whole(values, "code", default=0, least=0, most=10**9),
        status=params.whole(values, "status", default=0, least=0, most=599),
        seconds=number(values, "seconds"),
        megabytes=params.whole(values, "megabytes", default=1, most=100),
        location=str(values.get("location", "")),
        hash=hexadecimal(values),
        rows=row_numbers(values),
        named=values.get("named") in (True, "on", "true"),
        share=share(given),
    )


def number(values: Mapping[str, object], name: str) -> float:
    value = values.get(name, 0.0)
    try:
        seconds = float(value) if isinstance(value, str | int | float) else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise params.wrong(name, "should be a number of seconds")
    return seconds


def share(values: Mapping[str, object]) -> float:
    part = number({"share": 1.0} | dict(values), "share")
    if not 0 < part <= 1:
        raise params.wrong("share", "should be above 0 and at most 1")
    return part


def hexadecimal(values: Mapping[str, object]) -> str:
    value = str(values.get("hash", "")).lower()
    if value and (len(value) != 64 or not set(value) <= set("0123456789abcdef")):
        raise params.wrong("hash", "should be 64 hexadecimal characters")
    return value


def row_numbers(values: Mapping[str, object]) -> tuple[int, ...]:
    rows = values.get("rows", [])
    if isinstance(rows, str):
        rows = [int(row) if row.strip().isdigit() else -1 for row in rows.split(",")]
    if not isinstance(rows, list) or not all(isinstance(row, int) and row >= 0 for row in rows):
        raise params.wrong("rows", "should be a list of row numbers, from 0")
    return tuple(rows)


def spoil(answer: Answer, fault: Fault) -> Answer:
    """What the wire makes of a good answer."""
    bad = spoilt_body(answer, fault)
    if bad:
        return bad
    manner = {
        "slow": Manner(delay=fault.seconds),
        "drip": Manner(drip=fault.seconds),
        "truncated": Manner(is_cut=True),
        "drop": Manner(is_dropped=True),
        "apply_then_drop": Manner(is_dropped=True),
    }[fault.kind]
    return replace(answer, manner=manner)


def spoilt_body(answer: Answer, fault: Fault) -> Answer | None:
    match fault.kind:
        case "http_error":
            return Answer(b"<html><body>Bad gateway</body></html>", fault.status, HTML)
        case "not_json":
            return Answer(b"<html><body>Please try again later</body></html>", 200, HTML)
        case "empty":
            return replace(answer, body=b"")
        case "wrong_type":
            return replace(answer, content_type=TEXT)
        case "redirect":
            return Answer(status=302, content_type=TEXT, headers={"Location": fault.location})
        case "huge":
            return envelope(0, "OK", {"padding": "x" * (fault.megabytes << 20)})
        case "code_text":
            return replace(
                answer, body=answer.body.replace(b'"code":', b'"code":"', 1).replace(b",", b'",', 1)
            )
        case "code_null":
            return envelope(None, "OK", {})
        case "code_missing":
            return replace(answer, body=b'{"message":"OK","data":{}}')
    return None
