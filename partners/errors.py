"""The errors of a call to a partner, as three types: Retry, Rejected, Disconnected.

A cause is a key of the catalogue of errors, which has the sentences for marketers. Texts for the
log are scrubbed.
"""

import re
from enum import StrEnum

from audiencesync.core import deadlines
from partners.catalogue import errors as catalogue

MAX_LOG_TEXT = 200
_LIKE_A_SECRET = re.compile(
    r"(?<=\?)\S+"  # query strings
    r"|\S+@\S+"  # e-mail addresses
    r"|\+\d[\d\s()-]{5,}"  # phone numbers
    r"|[0-9A-Fa-f]{32,}"  # hashes
    r"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"  # device ids
    r"|[A-Za-z0-9_\-~+=]{24,}"  # tokens
)
_UNPRINTABLE = re.compile(r"[^\x20-\x7e\xa0-\uffff]+")


def scrub(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Return a partner's text for the log, without ``secrets`` and all that looks like a secret."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "[removed]")
    return _LIKE_A_SECRET.sub("[removed]", _UNPRINTABLE.sub(" ", text))[:MAX_LOG_TEXT]


DISCONNECTED = "disconnected"
"""The cause of `Disconnected`, beside the values of RetryCause and RejectedCause."""


class PartnerError(Exception):
    """A call to a partner failed. Carries no URL, token or identifier."""

    cause: str

    def __init__(
        self,
        partner: str,
        *,
        code: str | None = None,
        request_id: str = "",
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        self.partner = partner
        self.code = code
        self.request_id = request_id
        self.retry_after = retry_after
        self.detail = detail
        super().__init__(self.message_for_log)

    @property
    def name(self) -> str:
        return type(self).__name__

    @property
    def message_for_log(self) -> str:
        """Return one line for the log; the caller has scrubbed ``detail``."""
        request = self.request_id or "-"
        text = f"{self.partner}: {self.name} code={self.code} request_id={request} {self.detail}"
        return text.rstrip()

    def sentence(self) -> str:
        """Return a text for a marketer: what happened, what to do, whether people are lost."""
        retry_time = deadlines.delivery_text()
        params = {"partner": self.partner, "code": self.code, "retry_time": retry_time}
        return str(catalogue.ENTRIES[self.cause].sentence) % params


class RetryCause(StrEnum):
    THROTTLED_APP = "throttled_app"
    THROTTLED_AD_ACCOUNT = "throttled_ad_account"
    TRANSIENT = "transient"
    UNKNOWN = "unknown"  # no clear answer: the request may have been applied
    UNKNOWN_CODE = "unknown_code"  # a code that is not in the partner's table


class Retry(PartnerError):
    """A request failed for now, and may have been applied: the caller sends it again later."""

    def __init__(
        self,
        partner: str,
        cause: RetryCause,
        *,
        code: str | None = None,
        request_id: str = "",
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        self.cause: RetryCause = cause
        super().__init__(
            partner, code=code, request_id=request_id, retry_after=retry_after, detail=detail
        )

    @property
    def name(self) -> str:
        return f"Retry({self.cause})"

    @property
    def is_throttled(self) -> bool:
        return self.cause in (RetryCause.THROTTLED_APP, RetryCause.THROTTLED_AD_ACCOUNT)


class RejectedCause(StrEnum):
    CONTENT = "content"  # data of at least one person; nothing was applied
    TOO_MANY = "too_many"  # people or audiences in one request
    AUDIENCE_GONE = "audience_gone"
    AD_ACCOUNT = "ad_account"
    AUTH_CODE = "auth_code"  # only while connecting: the authorisation must start again
    PARTIAL = "partial"  # some rows were refused, the others applied
    OTHER = "other"


class Rejected(PartnerError):
    """The partner understood the request and refused it: it would refuse the same request again.

    ``failed_rows``, only with the cause PARTIAL: the indexes of the refused rows, None if the
    partner named none.
    """

    def __init__(
        self,
        partner: str,
        cause: RejectedCause,
        *,
        code: str | None = None,
        request_id: str = "",
        detail: str = "",
        failed_rows: tuple[int, ...] | None = None,
    ) -> None:
        self.cause: RejectedCause = cause
        self.failed_rows = failed_rows
        super().__init__(partner, code=code, request_id=request_id, detail=detail)

    @property
    def name(self) -> str:
        return f"Rejected({self.cause})"


class Disconnected(PartnerError):
    """The token is no longer accepted: an admin must connect again."""

    cause = DISCONNECTED
