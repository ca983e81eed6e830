"""FakeAds, the partner of the tests: it makes use of every freedom that the contract gives."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlencode

import orjson
import requests
from django.core.checks import CheckMessage
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from partners.base import (
    Action,
    Call,
    Cells,
    FaqEntry,
    Link,
    Lookalike,
    Partner,
    PartnerUser,
    Preset,
    Receipt,
    RemoteAdAccount,
    RemoteAudience,
    Token,
)
from partners.errors import (
    Disconnected,
    PartnerError,
    Rejected,
    RejectedCause,
    Retry,
    RetryCause,
)
from partners.faq import LAUNCH, NUMBER_OF_AUDIENCES
from partners.transport import Answer, NoAnswer, fetch, new_session

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

SCHEMA = {"email": "EMAIL_SHA256", "idfa": "IDFA_SHA256", "gaid": "AAID_SHA256"}
METHODS: dict[Action, Literal["POST", "DELETE"]] = {Action.ADD: "POST", Action.REMOVE: "DELETE"}
LABEL = "FakeAds"
SECONDS = 5.0  # the longest time of a request


class FakePartner:
    """Audiences have UUIDs, codes are text, tokens expire, a request names one audience."""

    key: str = "fake"
    label: str = LABEL
    category: "StrOrPromise" = "Advertising"
    summary: "StrOrPromise" = "Send people to FakeAds segments."
    description: "StrOrPromise" = "Add people to segments, or remove them."
    icon: str = "users"
    prerequisites: tuple[Link, ...] = (Link("A FakeAds account."),)
    settings_hint: str = "FAKE_CLIENT_ID, FAKE_CLIENT_SECRET"
    kinds: tuple[str, ...] = ("email", "idfa", "gaid")
    lookalike_reaches: "Mapping[str, StrOrPromise]" = {}  # FakeAds makes no lookalikes
    lookalike_seed: int = 0
    lookalike_type: str = ""
    code_parameter: str = "code"
    created_type: str = "FIRST_PARTY"
    ad_account_statuses: "Mapping[str, StrOrPromise]" = {"LIVE": "Live", "HALTED": "Halted"}
    active_statuses: frozenset[str] = frozenset({"LIVE"})
    requirement: "StrOrPromise" = "You need a FakeAds account."
    needed_role: "StrOrPromise" = "Editor"
    access_lost: "StrOrPromise" = "the FakeAds user was deleted."
    matching_hours: tuple[int, int] = (2, 6)
    smallest_audience: int = 50
    ads_manager: str = "FakeAds Console"
    faq: tuple[FaqEntry, ...] = (LAUNCH, NUMBER_OF_AUDIENCES)
    codes: Mapping[str, tuple[str, ...]] = {
        "disconnected": ("E1001", "E1003"),
        "audience_gone": ("E4004",),
        "content": ("E4000",),
    }
    audience_types: "Mapping[str, StrOrPromise]" = {"FIRST_PARTY": "First party"}
    max_audience_name: int = 20
    max_audiences_per_ad_account: int = 3
    preset: Preset = Preset("fake", 100, None, 1, 1_000, "ad_account")
    app_key: str = "client-1"
    links: Sequence[Link] = ()

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def form_action(self) -> str:
        return self.url

    def is_configured(self) -> bool:
        return True

    def check_settings(self) -> list[CheckMessage]:
        return []

    def authorize_url(self, *, state: str, redirect_uri: str) -> str:
        return f"{self.url}/authorize?{urlencode({'state': state, 'redirect_uri': redirect_uri})}"

    @sensitive_variables()
    def exchange(self, code: str, *, redirect_uri: str) -> Token:
        params = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return _token(self._call("POST", "/token", data=params))

    @sensitive_variables()
    def refresh(self, refresh_token: str) -> Token:
        params = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return _token(self._call("POST", "/token", data=params))

    def missing_permissions(self, token: Token) -> "list[StrOrPromise]":
        return []

    @sensitive_variables()
    def revoke(self, token: str) -> None:
        self._call("POST", "/revoke", json={"token": token})

    @sensitive_variables()
    def user(self, access_token: str) -> PartnerUser:
        me = _read(self._call("GET", "/me", token=access_token))
        return PartnerUser(me["id"], me["name"], me["email"])

    @sensitive_variables()
    def ad_accounts(self, access_token: str) -> list[RemoteAdAccount]:
        body = _read(self._call("GET", "/ad-accounts", token=access_token))
        return [
            RemoteAdAccount(account["id"], account["name"], status="LIVE")
            for account in body["ad_accounts"]
        ]

    @sensitive_variables()
    def create_audience(self, access_token: str, ad_account_id: str, *, name: str) -> str:
        path = f"/ad-accounts/{ad_account_id}/segments"
        body = _read(self._call("POST", path, token=access_token, json={"name": name}))
        return str(body["id"])

    def create_lookalike(
        self, access_token: str, ad_account_id: str, *, source_id: str, wanted: Lookalike
    ) -> str:
        raise NotImplementedError

    @sensitive_variables()
    def delete_audience(
        self, access_token: str, ad_account_id: str, *, audience_id: str, takes_people: bool
    ) -> None:
        self._call("DELETE", f"/segments/{audience_id}", token=access_token)

    @sensitive_variables()
    def list_audiences(self, access_token: str, ad_account_id: str) -> list[RemoteAudience]:
        path = f"/ad-accounts/{ad_account_id}/segments"
        body = _read(self._call("GET", path, token=access_token))
        return [
            RemoteAudience(
                segment["id"],
                segment["name"],
                self.created_type,
                segment["size"],
                is_valid=True,
                is_expiring=False,
                is_appendable=True,
            )
            for segment in body["segments"]
        ]

    @sensitive_variables()
    def get_audiences(
        self, access_token: str, ad_account_id: str, *, audience_ids: Sequence[str]
    ) -> list[RemoteAudience]:
        listed = self.list_audiences(access_token, ad_account_id)
        return [one for one in listed if one.id in audience_ids]

    def build_call(
        self, ad_account_id: str, action: Action, kinds: Sequence[str], cells: Sequence[Cells]
    ) -> Call:
        [part] = cells
        [audience_id] = part.audience_ids
        data = [[cell.hex() if cell else "" for cell in row] for row in part.rows]
        body = orjson.dumps({"schema": [SCHEMA[kind] for kind in kinds], "data": data})
        return Call(METHODS[action], f"/segments/{audience_id}/users", body, part.audience_ids)

    @sensitive_variables()
    def push(self, access_token: str, call: Call) -> Receipt:
        answer = self._call(call.method, call.path, token=access_token, data=call.body)
        return Receipt(answer.headers["X-Trace"])

    def error_of(self, code: str | None) -> PartnerError:
        return Retry(LABEL, RetryCause.UNKNOWN) if code is None else _error(500, code)

    @sensitive_variables()
    def _call(self, method: str, path: str, *, token: str = "", **content: Any) -> Answer:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = requests.Request(method, self.url + path, headers=headers, **content)
        try:
            answer = fetch(new_session(), request, seconds=SECONDS)
        except NoAnswer as none:
            raise Retry(LABEL, RetryCause.UNKNOWN, detail=none.reason) from None
        if answer.status != 200:
            raise _error(answer.status, _read(answer)["error_code"])
        return answer


def _read(answer: Answer) -> dict[str, Any]:
    """Return the JSON of an answer; no answer is clear without it."""
    try:
        return dict(orjson.loads(answer.body))
    except (ValueError, TypeError):
        raise Retry(LABEL, RetryCause.UNKNOWN, detail="no JSON") from None


def _token(answer: Answer) -> Token:
    body = _read(answer)
    expires_at = timezone.now() + timedelta(seconds=body["expires_in"])
    return Token(
        body["access_token"],
        ("segments",),
        refresh_token=body["refresh_token"],
        expires_at=expires_at,
    )


def _error(status: int, code: str) -> PartnerError:
    rejected = {
        "E1002": RejectedCause.AUTH_CODE,
        "E3002": RejectedCause.AD_ACCOUNT,
        "E4000": RejectedCause.CONTENT,
        "E4004": RejectedCause.AUDIENCE_GONE,
    }
    if code in ("E1001", "E1003"):
        return Disconnected(LABEL, code=code)
    if code in rejected:
        return Rejected(LABEL, rejected[code], code=code)
    if status == 422:
        return Rejected(LABEL, RejectedCause.OTHER, code=code)
    cause = RetryCause.THROTTLED_AD_ACCOUNT if code == "E2000" else RetryCause.TRANSIENT
    return Retry(LABEL, cause, code=code)


if TYPE_CHECKING:
    WHOLE: Partner = FakePartner("")  # the types are those of the contract
