"""One API call and its checks: token, body, ad account ("advertiser"), scope, audience.

An ad account is named by its id, a number in a string.
"""

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
    log_line: Line
    applied_faults: list[Fault] = field(default_factory=list)  # the log names them
    known_token: Token | None = None  # once `authenticate` has found it

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
        """The parameters: the JSON body, or the query of a GET. Raises TikTokError."""
        if isinstance(self.content, TikTokError):
            raise self.content
        return self.content

    @cached_property
    def advertisers(self) -> list[str]:
        """The ad accounts that the call names, even if the call is otherwise wrong."""
        if isinstance(self.content, TikTokError):
            return []
        ids = [self.content.get("advertiser_id")]
        try:
            more_ids = params.decode_list(self.content.get("advertiser_ids"), "advertiser_ids")
        except TikTokError:
            more_ids = None
        if isinstance(more_ids, list):
            ids += more_ids
        return [str(advertiser_id) for advertiser_id in ids if isinstance(advertiser_id, str | int)]

    @property
    def token(self) -> Token:
        return self.known_token or self.authenticate()

    def authenticate(self) -> Token:
        """Return the token of the header. Raises TikTokError if it is unknown or revoked."""
        secret = self.request.headers.get("access-token", "")
        if not secret:
            raise TikTokError(
                40104,
                "Access token is null, you should set it in http header with key Access-Token.",
            )
        token = self.sandbox.accounts.token(secret)
        if token is None:
            raise TikTokError(40105, "Access token is incorrect or has been revoked.")
        self.known_token = token
        return token

    def take_fault(self, *kinds: str) -> Fault | None:
        """Return an active fault of these kinds that hits this call, and count its use."""
        fault = self.sandbox.faults.take(kinds, self.endpoint, self.advertisers)
        if fault:
            self.applied_faults.append(fault)
        return fault

    def require_advertiser(self, advertiser_id: str) -> None:
        if not self.sandbox.accounts.reaches(self.token.user_id, advertiser_id):
            raise TikTokError(40001, f"No permission to operate advertiser {advertiser_id}.")

    def require_scope(self, scope: int) -> None:
        if scope not in self.token.scope:
            raise TikTokError(40001, f"The access token lacks the permission {SCOPES[scope]}.")

    def require_allowlist(self) -> None:
        if self.take_fault("not_allowlisted"):
            raise TikTokError(40118, "The app is not in the allowlist of the Streaming API.")

    def require_audience(self, audience_id: str, *advertisers: str) -> Audience:
        """Return the audience. Raises TikTokError unless one of these ad accounts has it."""
        audience = self.sandbox.audiences.get(audience_id)
        if audience is None or audience.advertiser_id not in advertisers:
            raise TikTokError(40007, f"Custom audience {audience_id} does not exist.")
        return audience

    def require_app(self, source: Mapping[str, object]) -> None:
        """Raise TikTokError unless app_id and secret are those of the app."""
        app_id, secret = params.text(source, "app_id"), params.text(source, "secret")
        if (app_id, secret) != (self.sandbox.options.app_id, self.sandbox.options.app_secret):
            raise TikTokError(40101, "The app_id and secret do not match.")
