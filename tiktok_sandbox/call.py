"""One API call and its checks: token, body, ad account, scope, allow-list, audience."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import orjson

from tiktok_sandbox import params
from tiktok_sandbox.accounts import AD_ACCOUNTS, AUDIENCES, Token
from tiktok_sandbox.audiences import Audience
from tiktok_sandbox.faults import Fault
from tiktok_sandbox.log import Line
from tiktok_sandbox.sandbox import Sandbox
from tiktok_sandbox.wire import JSON, Request, TikTokError

SCOPES = {AD_ACCOUNTS: "Ad Account Management", AUDIENCES: "Audience Management"}


@dataclass
class Call:
    sandbox: Sandbox
    endpoint: str
    request: Request
    line: Line
    used: list[Fault] = field(default_factory=list)
    bearer: Token | None = None

    @cached_property
    def content(self) -> Mapping[str, object] | TikTokError:
        """The parameters, or the error to raise if the body cannot be read."""
        if self.request.method == "GET":
            return self.request.query
        if self.request.headers.get("content-type", "").split(";")[0].strip().lower() != JSON:
            return TikTokError(40002, "Content-Type: should be application/json.")
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            return TikTokError(40002, "Request body: should be JSON.")
        return (
            body
            if isinstance(body, dict)
            else TikTokError(40002, "Request body: should be a JSON object.")
        )

    @property
    def body(self) -> Mapping[str, object]:
        if isinstance(self.content, TikTokError):
            raise self.content
        return self.content

    @cached_property
    def advertisers(self) -> list[str]:
        """The ad accounts that the call names, even if the call is otherwise wrong."""
        if isinstance(self.content, TikTokError):
            return []
        named = [self.content.get("advertiser_id")]
        try:
            many = params.decoded(self.content.get("advertiser_ids"), "advertiser_ids")
        except TikTokError:
            many = None
        if isinstance(many, list):
            named += many
        return [str(one) for one in named if isinstance(one, str | int)]

    @property
    def token(self) -> Token:
        return self.bearer or self.authenticate()

    def authenticate(self) -> Token:
        secret = self.request.headers.get("access-token", "")
        if not secret:
            raise TikTokError(
                40104,
                "Access token is null, you should set it in http header with key Access-Token.",
            )
        token = self.sandbox.accounts.token(secret)
        if token is None:
            raise TikTokError(40105, "Access token is incorrect or has been revoked.")
        self.bearer = token
        return token

    def fault(self, *kinds: str) -> Fault | None:
        """Return an active fault of these kinds that hits this call, and count its use."""
        fault = self.sandbox.faults.take(kinds, self.endpoint, self.advertisers)
        if fault:
            self.used.append(fault)
        return fault

    def require_advertiser(self, advertiser_id: str) -> None:
        if not self.sandbox.accounts.reaches(self.token.user_id, advertiser_id):
            raise TikTokError(40001, f"No permission to operate advertiser {advertiser_id}.")

    def require_scope(self, scope: int) -> None:
        if scope not in self.token.scope:
            raise TikTokError(40001, f"The access token lacks the permission {SCOPES[scope]}.")

    def advertiser(self) -> str:
        """Return the call's `advertiser_id`. Raises TikTokError if it is not permitted."""
        advertiser_id = params.digits(self.body, "advertiser_id")
        self.require_advertiser(advertiser_id)
        return advertiser_id

    def require_allowlist(self) -> None:
        if self.fault("not_allowlisted"):
            raise TikTokError(40118, "The app is not in the allowlist of the Streaming API.")

    def audience(self, audience_id: str, *advertisers: str) -> Audience:
        """Return an audience of one of these ad accounts. Raises TikTokError."""
        audience = self.sandbox.audiences.get(audience_id)
        if audience is None or audience.advertiser_id not in advertisers:
            raise TikTokError(40007, f"Custom audience {audience_id} does not exist.")
        return audience

    def require_app(self, source: Mapping[str, object]) -> None:
        """Raise TikTokError unless app_id and secret are those of the app."""
        app_id, secret = params.text(source, "app_id"), params.text(source, "secret")
        if (app_id, secret) != (self.sandbox.options.app_id, self.sandbox.options.app_secret):
            raise TikTokError(40101, "The app_id and secret do not match.")
