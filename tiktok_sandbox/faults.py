"""Faults that tests and users can set: which calls they hit, how often, and what they do."""

import random
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from threading import Lock

from tiktok_sandbox import params
from tiktok_sandbox.wire import HTML, TEXT, Answer, TikTokError, Transmission, envelope

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
# Parameters that every kind takes, and fields of a fault that its JSON always has.
COMMON = {"kind", "endpoint", "advertiser_id", "count", "for_seconds", "share", "code"}
ALWAYS = {"id", "kind", "endpoint", "advertiser_id", "count", "share"}
# When a fault acts: instead of the endpoint's handler, within it, or after it on its answer.
INSTEAD = {"throttle", "code", "http_error", "drop"}
WITHIN = {"not_allowlisted", "poison", "partial"}
AFTER = KINDS.keys() - INSTEAD - WITHIN
MESSAGES = {40105: "Access token is incorrect or has been revoked.", 50000: "System error."}


@dataclass(frozen=True)
class Fault:
    """A fault of one of KINDS, for calls of an endpoint and an ad account (None: of all).

    It ends after `count` more hits or at `until` (monotonic); if both are None, it must be cleared.
    It hits a `share` of the matching calls, at random.
    """

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
    named: bool = False  # whether the answer to a partial success names the failed rows
    share: float = 1

    def hits(self, endpoint: str, advertisers: Collection[str]) -> bool:
        """Return whether the fault hits a call; with a share below 1 this is random."""
        return (
            (not self.endpoint or endpoint.startswith(self.endpoint))
            and (not self.advertiser_id or self.advertiser_id in advertisers)
            and (self.share >= 1 or random.random() < self.share)  # noqa: S311  # no secret
        )

    def error(self, app_id: str) -> TikTokError:
        """Return the error of a fault of the kind throttle or code."""
        code = self.code or (40133 if self.advertiser_id else 40100)
        if code == 40100:
            return TikTokError(
                code,
                f"Due to too many requests, requests from App {app_id} are temporarily restricted.",
            )
        if code == 40133:
            return TikTokError(code, qps_message(self.advertiser_id or "?", 0))
        return TikTokError(code, MESSAGES.get(code, f"Sandbox fault with code {code}."))

    def as_json(self) -> dict[str, object]:
        """Return the fields for JSON, a hash only by its beginning."""
        fields = {
            name: value
            for name, value in asdict(self).items()
            if name in KINDS[self.kind] or name in ALWAYS
        }
        if self.hash:
            fields["hash"] = f"{self.hash[:8]}..."
        fields["seconds_left"] = round(self.until - time.monotonic(), 1) if self.until else None
        return fields


def qps_message(advertiser_id: str, limit: int) -> str:
    return (
        f"Advertiser ({advertiser_id})'s QPS ({limit + 1}) reaches QPS limit {limit} "
        "for current path, request is temporarily restricted."
    )


class Faults:
    """The active faults, oldest first; the first that hits a call applies."""

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.lock = Lock()
        self.last_id = 0

    def set(self, kind: str, **details: object) -> Fault:
        """Set a fault with the parameters of KINDS and COMMON. Raises ValueError."""
        return self.add({"kind": kind, **details})

    def add(self, fields: Mapping[str, object]) -> Fault:
        try:
            fault = parse(fields)
        except TikTokError as error:
            raise ValueError(error.message) from error
        with self.lock:
            self.last_id += 1
            fault = replace(fault, id=self.last_id)
            self.active.append(fault)
        return fault

    def clear(self, fault_id: int | None = None) -> None:
        with self.lock:
            self.active = [fault for fault in self.active if fault_id not in (None, fault.id)]

    def list(self) -> list[Fault]:
        with self.lock:
            self.drop_ended()
            return list(self.active)

    def find(
        self, kinds: Collection[str], endpoint: str, advertisers: Collection[str]
    ) -> Fault | None:
        """Return the first fault that hits, without counting a use."""
        return next(
            (
                fault
                for fault in self.list()
                if fault.kind in kinds and fault.hits(endpoint, advertisers)
            ),
            None,
        )

    def take(
        self, kinds: Collection[str], endpoint: str, advertisers: Collection[str]
    ) -> Fault | None:
        """Return the first fault that hits, and count its use."""
        fault = self.find(kinds, endpoint, advertisers)
        return fault if fault and self.use(fault) else None

    def use(self, fault: Fault) -> bool:
        """Count a use; return False if another call has used the fault up meanwhile."""
        with self.lock:
            for index, active in enumerate(self.active):
                if active.id == fault.id:
                    if active.count is not None:
                        self.active[index] = replace(active, count=active.count - 1)
                        self.drop_ended()
                    return True
        return False

    def drop_ended(self) -> None:
        """Drop faults that are used up or over; the caller holds the lock."""
        now = time.monotonic()
        self.active = [
            fault
            for fault in self.active
            if fault.count != 0 and (fault.until is None or fault.until > now)
        ]


def parse(fields: Mapping[str, object]) -> Fault:
    """Read a fault from JSON or from a form, whose values are texts. Raises TikTokError."""
    kind = params.choice(fields, "kind", KINDS)
    # Refuse a misspelt parameter: otherwise a test would wait for a fault that never comes.
    unknown = fields.keys() - KINDS[kind].keys() - COMMON
    if unknown:
        raise params.wrong(", ".join(sorted(unknown)), f"does not go with {kind}")
    given = {name: value for name, value in fields.items() if value not in (None, "")}
    missing = [
        name for name, default in KINDS[kind].items() if default is None and name not in given
    ]
    if missing:
        raise params.missing(*missing)
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
    """Return a number of seconds, at most a day; 0 if it is not given. Raise TikTokError."""
    value = values.get(name, 0.0)
    try:
        seconds = float(value) if isinstance(value, str | int | float) else -1.0
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 86_400:
        raise params.wrong(name, "should be a number of seconds")
    return seconds


def share(values: Mapping[str, object]) -> float:
    value = number({"share": 1.0} | dict(values), "share")
    if not 0 < value <= 1:
        raise params.wrong("share", "should be above 0 and at most 1")
    return value


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


def damage(answer: Answer, fault: Fault) -> Answer:
    """Return the answer, changed by a fault in its body, status or transmission."""
    with_other_body = damaged_body(answer, fault)
    if with_other_body:
        return with_other_body
    transmission = {
        "slow": Transmission(delay=fault.seconds),
        "drip": Transmission(drip=fault.seconds),
        "truncated": Transmission(is_cut=True),
        "drop": Transmission(is_dropped=True),
        "apply_then_drop": Transmission(is_dropped=True),
    }[fault.kind]
    return replace(answer, transmission=transmission)


def damaged_body(answer: Answer, fault: Fault) -> Answer | None:
    """Return the answer with another body or status; None for faults of the transmission."""
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
            return replace(  # "code":0, becomes "code":"0",
                answer, body=answer.body.replace(b'"code":', b'"code":"', 1).replace(b",", b'",', 1)
            )
        case "code_null":
            return envelope(None, "OK", {})
        case "code_missing":
            return replace(answer, body=b'{"message":"OK","data":{}}')
    return None
