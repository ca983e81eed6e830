"""Turn the `data` of TikTok's answers into our dataclasses.

Ids become text; fields that we do not need are ignored. An unexpected shape raises KeyError,
TypeError, ValueError or AttributeError.
"""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from partners.base import PartnerUser, RemoteAdAccount, RemoteAudience, Token

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

STREAMED = "Partner"
"""The type of audiences made by /segment/audience/: only these take people by the API."""
USABLE_STATUS = "STATUS_ENABLE"
MAX_ID_LENGTH = 64
"""The longest id that fits into a column (MAX_REMOTE_ID in models/connections.py)."""
MAX_SIZE = 2**63 - 1  # the largest number in a column of 64 bits

NOT_STREAMED = _(
    "People can only be sent to audiences created through the API; this one was made another way."
)
SHARED_IN = _("Another ad account shares this audience; only its owner can change it.")
EXPIRED = _("This audience expired: it was not used for 12 months. Create a new one.")


def decimal_id(value: Any) -> str:
    """Return an id as text. In TikTok's samples, ids are text or numbers."""
    text = str(value)
    if not (text.isascii() and text.isdigit()) or len(text) > MAX_ID_LENGTH:
        raise ValueError("not a decimal id")
    return text


def token(data: dict[str, Any]) -> Token:
    """Read `data` of /oauth2/access_token/."""
    access_token = data["access_token"]
    if not isinstance(access_token, str) or not access_token:
        raise ValueError("no token")
    scopes = tuple(str(int(scope)) for scope in data.get("scope") or ())
    return Token(access_token, scopes)


def user(data: dict[str, Any]) -> PartnerUser:
    """Read `data` of /user/info/."""
    return PartnerUser(
        decimal_id(data["core_user_id"]), _text(data.get("display_name")), _text(data.get("email"))
    )


def ad_account_id(item: dict[str, Any]) -> RemoteAdAccount:
    """Read an item of /oauth2/advertiser/get/, which has no currency and no status."""
    return RemoteAdAccount(decimal_id(item["advertiser_id"]), _text(item.get("advertiser_name")))


def ad_account(item: dict[str, Any]) -> RemoteAdAccount:
    """Read an item of /advertiser/info/."""
    status = _text(item.get("status"))
    return RemoteAdAccount(
        id=decimal_id(item["advertiser_id"]),
        name=_text(item.get("name")),
        currency=_text(item.get("currency")),
        time_zone=_text(item.get("display_timezone") or item.get("timezone")),
        status=status,
        is_usable=status in ("", USABLE_STATUS),
    )


def audience_details(item: dict[str, Any]) -> RemoteAudience:
    """Read an item of /dmp/custom_audience/get/, where the type is called `type`."""
    details = item["audience_details"]
    return audience(details | {"audience_type": details.get("type")})


def audience(item: dict[str, Any]) -> RemoteAudience:
    """Read an item of /dmp/custom_audience/list/."""
    why_not = _why_not(item, datetime.now(UTC))
    return RemoteAudience(
        id=decimal_id(item["audience_id"]),
        name=_text(item.get("name")),
        type=_text(item.get("audience_type")),
        size=_size(item.get("cover_num")),
        is_valid=bool(item.get("is_valid")),
        is_expiring=bool(item.get("is_expiring")),
        is_appendable=not why_not,
        why_not=why_not,
        expires_at=_timestamp(item.get("expired_time")),
    )


def _size(value: Any) -> int:
    size = int(value or 0)
    if abs(size) > MAX_SIZE:
        raise ValueError("not a size")
    return size


def _why_not(item: dict[str, Any], now: datetime) -> "StrOrPromise":
    """Return why people cannot be sent to this audience; empty if they can."""
    if item.get("audience_type") != STREAMED:
        return NOT_STREAMED
    if item.get("shared") and not item.get("is_creator", True):
        return SHARED_IN
    expires_at = _timestamp(item.get("expired_time"))
    if expires_at is not None and expires_at <= now:
        return EXPIRED
    return ""


def _timestamp(text: Any) -> datetime | None:
    """Read "YYYY-MM-DD HH:MM:SS" in GMT; return None if the field is missing or empty."""
    if not isinstance(text, str) or not text:
        return None
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
