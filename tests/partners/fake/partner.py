"""A partner for the tests that differs from TikTok wherever the contract allows it."""

from datetime import timedelta
from urllib.parse import urlencode

import orjson
import requests
from django.utils import timezone

from partners.base import (
    Action,
    Call,
    Link,
    PartnerUser,
    Preset,
    Receipt,
    RemoteAdAccount,
    RemoteAudience,
    Token,
)
from partners.errors import Disconnected, Rejected, RejectedCause, Retry, RetryCause
from partners.faq import LAUNCH, NUMBER_OF_AUDIENCES

SCHEMA = {"email": "EMAIL_SHA256", "idfa": "IDFA_SHA256", "gaid": "AAID_SHA256"}
METHODS = {Action.ADD: "POST", Action.REMOVE: "DELETE"}
LABEL = "FakeAds"


class FakePartner:
    """Audiences have UUIDs, codes are text, tokens expire, a request names one audience."""

    key = "fake"
    label = LABEL
    category = "Advertising"
    summary = "Send people to FakeAds segments."
    description = "Add people to segments, or remove them."
    icon = "users"
    prerequisites = (Link("A FakeAds account."),)
    settings_hint = "FAKE_CLIENT_ID, FAKE_CLIENT_SECRET"
    kinds = ("email", "idfa", "gaid")
    lookalike_reaches = {}  # it makes none
    lookalike_seed = 0
    code_parameter = "code"
    created_type = "FIRST_PARTY"
    ad_account_statuses = {"LIVE": "Live", "HALTED": "Halted"}
    active_statuses = frozenset({"LIVE"})
    requirement = "You need a FakeAds account."
    needed_role = "Editor"
    access_lost = "the FakeAds user was deleted."
    matching_hours = (2, 6)
    smallest_audience = 50
    ads_manager = "FakeAds Console"
    faq = (LAUNCH, NUMBER_OF_AUDIENCES)
    codes = {"disconnected": ("E1001", "E1003"), "audience_gone": ("E4004",), "content": ("E4000",)}
    audience_types = {"FIRST_PARTY": "First party"}
    max_audience_name = 20
    max_audiences_per_ad_account = 3
    preset = Preset("fake", 100, None, 1, 1_000, "ad_account")
    app_key = "client-1"
    links = []

    def __init__(self, url):
        self.url = url

    @property
    def form_action(self):
        return self.url

    def is_configured(self):
        return True

    def check_settings(self):
        return []

    def authorize_url(self, *, state, redirect_uri):
        return f"{self.url}/authorize?{urlencode({'state': state, 'redirect_uri': redirect_uri})}"

    def exchange(self, code, *, redirect_uri):
        asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        return _token(self._call("POST", "/token", data=asked))

    def refresh(self, refresh_token):
        asked = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return _token(self._call("POST", "/token", data=asked))

    def missing_permissions(self, token):
        return []

    def revoke(self, token):
        self._call("POST", "/revoke", json={"token": token})

    def user(self, access_token):
        me = self._call("GET", "/me", token=access_token).json()
        return PartnerUser(me["id"], me["name"], me["email"])

    def ad_accounts(self, access_token):
        listed = self._call("GET", "/ad-accounts", token=access_token).json()["ad_accounts"]
        return [RemoteAdAccount(one["id"], one["name"], status="LIVE") for one in listed]

    def create_audience(self, access_token, ad_account_id, *, name):
        path = f"/ad-accounts/{ad_account_id}/segments"
        return self._call("POST", path, token=access_token, json={"name": name}).json()["id"]

    def create_lookalike(self, access_token, ad_account_id, *, source_id, wanted):
        raise NotImplementedError

    def delete_audience(self, access_token, ad_account_id, *, audience_id, takes_people):
        self._call("DELETE", f"/segments/{audience_id}", token=access_token)

    def list_audiences(self, access_token, ad_account_id):
        path = f"/ad-accounts/{ad_account_id}/segments"
        listed = self._call("GET", path, token=access_token).json()["segments"]
        return [
            RemoteAudience(
                one["id"],
                one["name"],
                self.created_type,
                one["size"],
                is_valid=True,
                is_expiring=False,
                is_appendable=True,
            )
            for one in listed
        ]

    def get_audiences(self, access_token, ad_account_id, *, audience_ids):
        listed = self.list_audiences(access_token, ad_account_id)
        return [one for one in listed if one.id in audience_ids]

    def build_call(self, ad_account_id, action, kinds, cells):
        [part] = cells
        [audience_id] = part.audience_ids
        data = [[cell.hex() if cell else "" for cell in row] for row in part.rows]
        body = orjson.dumps({"schema": [SCHEMA[kind] for kind in kinds], "data": data})
        return Call(METHODS[action], f"/segments/{audience_id}/users", body, part.audience_ids)

    def push(self, access_token, call):
        answer = self._call(call.method, call.path, token=access_token, data=call.body)
        return Receipt(answer.headers["X-Trace"])

    def error_of(self, code):
        return Retry(LABEL, RetryCause.UNKNOWN) if code is None else _error(500, code)

    def _call(self, method, path, *, token="", **content):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            answer = requests.request(
                method, self.url + path, headers=headers, timeout=5, **content
            )
        except requests.RequestException:
            raise Retry(LABEL, RetryCause.UNKNOWN, detail="no answer") from None
        if answer.status_code != 200:
            raise _error(answer.status_code, answer.json()["error_code"])
        return answer


def _token(answer):
    found = answer.json()
    expires_at = timezone.now() + timedelta(seconds=found["expires_in"])
    return Token(
        found["access_token"],
        ("segments",),
        refresh_token=found["refresh_token"],
        expires_at=expires_at,
    )


def _error(status, code):
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
