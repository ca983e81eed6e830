"""Read TikTok's answers and turn their codes into the three errors of a partner.

The body of an answer is an envelope: a JSON object with `code`, `message`, `request_id` and `data`.
Its integer `code` decides, not the HTTP status (TikTok docs 1749734684478466).
"""

import re
from typing import Any

import orjson

from partners.errors import (
    DISCONNECTED as DISCONNECTED_CAUSE,
)
from partners.errors import (
    Disconnected,
    PartnerError,
    Rejected,
    RejectedCause,
    Retry,
    RetryCause,
    scrub,
)
from partners.transport import Answer

LABEL = "TikTok"
PARTIAL = 20001
LONGEST_RETRY_AFTER = 3600.0  # seconds

DISCONNECTED = frozenset({40102, 40104, 40105, 40106, 40114, 40130})
RETRY: dict[int, RetryCause] = {
    40016: RetryCause.THROTTLED_APP,
    40100: RetryCause.THROTTLED_APP,
    61000: RetryCause.THROTTLED_APP,
    40132: RetryCause.THROTTLED_AD_ACCOUNT,
    40133: RetryCause.THROTTLED_AD_ACCOUNT,
    40050: RetryCause.UNKNOWN,  # "duplicate requests": perhaps applied
    40200: RetryCause.TRANSIENT,
    40201: RetryCause.TRANSIENT,
    40202: RetryCause.TRANSIENT,
    60001: RetryCause.TRANSIENT,
}
SERVER_SIDE = range(50000, 60000)  # codes of failures of TikTok's servers
REJECTED: dict[int, RejectedCause] = (
    dict.fromkeys((40002, 40062), RejectedCause.CONTENT)
    | dict.fromkeys((40011, 40061), RejectedCause.TOO_MANY)
    | {40007: RejectedCause.AUDIENCE_GONE}
    | dict.fromkeys((40001, 40118, 40119, 40125, 40300, 40301), RejectedCause.AD_ACCOUNT)
    | dict.fromkeys((40110, 40115), RejectedCause.AUTH_CODE)
    | dict.fromkeys(
        (40000, 40006, 40008, 40051, 40101, 40113, 40117, 41000, 41001, 41002), RejectedCause.OTHER
    )
)


def _codes_by_cause() -> dict[str, tuple[str, ...]]:
    codes: dict[str, tuple[str, ...]] = {
        DISCONNECTED_CAUSE: tuple(map(str, sorted(DISCONNECTED))),
        RejectedCause.PARTIAL: (str(PARTIAL),),
    }
    for table in (RETRY, REJECTED):
        for code, cause in sorted(table.items()):
            codes[cause] = (*codes.get(cause, ()), str(code))
    codes[RetryCause.TRANSIENT] += (f"{SERVER_SIDE.start}–{SERVER_SIDE.stop - 1}",)
    return codes


CODES = _codes_by_cause()
"""Cause of an error -> its codes, for the help page."""


def unwrap(
    answer: Answer, *, secrets: tuple[str, ...] = (), ok_codes: tuple[int, ...] = (0,)
) -> dict[str, Any]:
    """Return the envelope of a success; otherwise raise Retry, Rejected or Disconnected.

    ``secrets``: texts to remove from TikTok's message, which reaches the log.
    """
    if 300 <= answer.status < 400:
        raise no_clear_answer("redirect")
    envelope = _envelope(answer.body)
    if envelope is None:
        raise _error_without_envelope(answer)
    code = envelope["code"]
    if code not in ok_codes:
        raise error_for(
            code,
            request_id=request_id(envelope),
            detail=scrub(str(envelope.get("message", "")), secrets),
            failed_rows=_failed_rows(envelope),
            retry_after=_seconds(answer.retry_after),
        )
    return envelope


def error_for(
    code: int,
    *,
    request_id: str = "",
    detail: str = "",
    failed_rows: tuple[int, ...] | None = None,
    retry_after: float | None = None,
) -> PartnerError:
    """Return the error that a code other than success stands for."""
    text = str(code)
    if code in DISCONNECTED:
        return Disconnected(LABEL, code=text, request_id=request_id, detail=detail)
    if code == PARTIAL:
        return Rejected(
            LABEL,
            RejectedCause.PARTIAL,
            code=text,
            request_id=request_id,
            detail=detail,
            failed_rows=failed_rows,
        )
    if code in REJECTED:
        return Rejected(LABEL, REJECTED[code], code=text, request_id=request_id, detail=detail)
    default = RetryCause.TRANSIENT if code in SERVER_SIDE else RetryCause.UNKNOWN_CODE
    cause = RETRY.get(code, default)
    return Retry(
        LABEL, cause, code=text, request_id=request_id, retry_after=retry_after, detail=detail
    )


def no_clear_answer(reason: str) -> Retry:
    """Return the error of a request that may have been applied."""
    return Retry(LABEL, RetryCause.UNKNOWN, detail=reason)


def request_id(envelope: dict[str, Any]) -> str:
    """Return TikTok's request id; empty if it is missing, as in some of TikTok's samples."""
    value = envelope.get("request_id")
    return value if isinstance(value, str) and re.fullmatch(r"[\w-]{1,64}", value) else ""


def _envelope(body: bytes) -> dict[str, Any] | None:
    """Return the envelope if there is one: a JSON object with an integer code."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(parsed, dict) and type(parsed.get("code")) is int:
        return parsed
    return None


def _error_without_envelope(answer: Answer) -> Retry:
    """Return the error of an answer without an envelope, by its HTTP status."""
    if answer.status == 429:
        return Retry(
            LABEL,
            RetryCause.THROTTLED_APP,
            retry_after=_seconds(answer.retry_after),
            detail="HTTP 429",
        )
    if answer.status >= 500:
        detail = f"HTTP {answer.status}"
        return Retry(
            LABEL, RetryCause.TRANSIENT, retry_after=_seconds(answer.retry_after), detail=detail
        )
    return no_clear_answer(f"HTTP {answer.status} without a readable answer")


def _failed_rows(envelope: dict[str, Any]) -> tuple[int, ...] | None:
    """Return the indexes of the refused rows of a partial success, from `data.failed_rows`.

    TikTok does not document their shape: a list of integers is a guess. Return None for any other.
    """
    data = envelope.get("data")
    rows = data.get("failed_rows") if isinstance(data, dict) else None
    if isinstance(rows, list) and rows and all(type(row) is int and row >= 0 for row in rows):
        return tuple(rows)
    return None


def _seconds(text: str) -> float | None:
    """Return the header Retry-After in seconds; None if it is missing or a date."""
    return min(float(text), LONGEST_RETRY_AFTER) if re.fullmatch(r"\d{1,9}", text) else None
