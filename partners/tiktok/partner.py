"""TikTok as a `Partner`: it adds settings, texts and limits to the client."""

import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from audiencesync.core.web import sent_numbers
from partners.base import (
    KINDS,
    Action,
    Call,
    Cells,
    FaqEntry,
    Link,
    Lookalike,
    PartnerUser,
    Preset,
    Receipt,
    RemoteAdAccount,
    RemoteAudience,
    Token,
)
from partners.errors import Disconnected, PartnerError
from partners.tiktok import texts, wire
from partners.tiktok.answers import CODES, LABEL, error_for, no_clear_answer
from partners.tiktok.client import Client, authorize_url
from partners.tiktok.parse import STREAMED, USABLE_STATUS

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise


TERMS = "https://ads.tiktok.com/i18n/official/policy/custom-audience-terms"


class TikTok:
    """TikTok by its Marketing API. It uses no Django model: tokens in, dataclasses out."""

    key: str = "tiktok"
    label: str = LABEL
    category: "StrOrPromise" = _("Advertising")
    summary: "StrOrPromise" = _(
        "Send people from your canvases to TikTok audiences, seconds after they get there."
    )
    description: "StrOrPromise" = _(
        "Add people to custom audiences of your TikTok ad accounts, or remove them, while they "
        "walk through a canvas: win back customers who no longer open your messages, leave out "
        "those who have just bought, or find people who resemble your best customers. Only hashed "
        "identifiers leave this installation."
    )
    icon: str = "brand-tiktok"
    settings_hint: str = "TIKTOK_APP_ID, TIKTOK_APP_SECRET"
    kinds: tuple[str, ...] = KINDS
    lookalike_reaches: "Mapping[str, StrOrPromise]" = texts.LOOKALIKE_REACHES
    lookalike_seed: int = 100
    lookalike_type: str = texts.LOOKALIKE
    code_parameter: str = "auth_code"
    created_type: str = STREAMED
    ad_account_statuses: "Mapping[str, StrOrPromise]" = texts.AD_ACCOUNT_STATUSES
    active_statuses: frozenset[str] = frozenset({USABLE_STATUS})
    audience_types: "Mapping[str, StrOrPromise]" = texts.AUDIENCE_TYPES
    requirement: "StrOrPromise" = texts.REQUIREMENT
    needed_role: "StrOrPromise" = _("Admin or Operator")
    access_lost: "StrOrPromise" = texts.ACCESS_LOST
    matching_hours: tuple[int, int] = (24, 48)
    smallest_audience: int = 1_000
    ads_manager: str = "TikTok Ads Manager"
    faq: tuple[FaqEntry, ...] = texts.FAQ
    codes: Mapping[str, tuple[str, ...]] = CODES
    prerequisites: tuple[Link, ...] = (
        Link(_("A TikTok Business Center account, and at least one active ad account in it.")),
        Link(
            _(
                "A TikTok user with the role Admin or Operator in each ad account; Analyst is not "
                "enough."
            )
        ),
        Link(_("The accepted Custom Audience Terms of TikTok."), TERMS),
        Link(_("Permission from your customers to share their data with TikTok for advertising.")),
    )
    # TikTok and Braze, a product that also sends people there, publish different limits.
    presets: dict[str, Preset] = {
        preset.name: preset
        for preset in (
            Preset("published_by_braze", 10_000, None, 10, 50, "app"),
            Preset("published_by_tiktok", None, 1_000, 10, 5_000, "ad_account"),
        )
    }
    max_audience_name: int = 70
    max_audiences_per_ad_account: int = 400

    @property
    def links(self) -> list[Link]:
        """Return TikTok's own pages; with the sandbox, only its Ads Manager."""
        consent = urlsplit(settings.TIKTOK_AUTH_URL)
        if not f".{consent.hostname}".endswith(".tiktok.com"):
            return [Link(self.ads_manager, f"{consent.scheme}://{consent.netloc}/ads-manager/")]
        return [
            Link(self.ads_manager, "https://ads.tiktok.com/"),
            Link("TikTok Business Center", "https://business.tiktok.com/"),
        ]

    @property
    def preset(self) -> Preset:
        """Return the limits that TIKTOK_PRESET names."""
        return self.presets[settings.TIKTOK_PRESET]

    @property
    def app_key(self) -> str:
        """Return the id of the developer app."""
        return str(settings.TIKTOK_APP_ID)

    @property
    def form_action(self) -> str:
        """Return scheme and host of TIKTOK_AUTH_URL."""
        return "/".join(settings.TIKTOK_AUTH_URL.split("/")[:3])

    def is_configured(self) -> bool:
        """Return whether TIKTOK_APP_ID and TIKTOK_APP_SECRET are set."""
        return bool(settings.TIKTOK_APP_ID and settings.TIKTOK_APP_SECRET)

    def check_settings(self) -> list[checks.CheckMessage]:
        """Report an unknown TIKTOK_PRESET and missing credentials."""
        problems: list[checks.CheckMessage] = []
        if settings.TIKTOK_PRESET not in self.presets:
            names_of_presets = " or ".join(sorted(self.presets))
            problems.append(
                checks.Error(f"TIKTOK_PRESET must be {names_of_presets}.", id="partners.E001")
            )
        names = ("TIKTOK_APP_ID", "TIKTOK_APP_SECRET")
        if missing := [name for name in names if not getattr(settings, name)]:
            text = f"{' and '.join(missing)} not set."
            hint = (
                "Create an app in TikTok's developer portal; without it no one can connect TikTok."
            )
            problems.append(checks.Warning(text, hint=hint, id="audiencesync.W002"))
        return problems

    def authorize_url(self, *, state: str, redirect_uri: str) -> str:
        """Return the address of TikTok's consent page."""
        return authorize_url(
            settings.TIKTOK_AUTH_URL,
            app_id=settings.TIKTOK_APP_ID,
            state=state,
            redirect_uri=redirect_uri,
        )

    @sensitive_variables()
    def exchange(self, code: str, *, redirect_uri: str) -> Token:
        """Return the token for a code; TikTok does not ask for the redirect_uri again."""
        return _client().exchange(code)

    @sensitive_variables()
    def refresh(self, refresh_token: str) -> Token:
        """Raise Disconnected: TikTok's tokens do not expire, so there is nothing to refresh."""
        raise Disconnected(LABEL, detail="tokens are not refreshed")

    def missing_permissions(self, token: Token) -> "list[StrOrPromise]":
        """Name the missing permissions as TikTok's consent page does."""
        # Scopes are numbers, and wide ones include others: 1 includes 10, which includes 100 (read
        # ad accounts); 3 includes 30 (read audiences) and 31 (create and fill them).
        granted = set(token.scopes)
        needed = {
            _("Ad Account Management"): bool(granted & {"1", "10", "100"}),
            _("Audience Management"): "3" in granted or granted >= {"30", "31"},
        }
        return [name for name, is_granted in needed.items() if not is_granted]

    @sensitive_variables()
    def revoke(self, token: str) -> None:
        """End the token at TikTok."""
        _client().revoke(token)

    @sensitive_variables()
    def user(self, access_token: str) -> PartnerUser:
        """Return the user who connected."""
        return _client().user_info(access_token)

    @sensitive_variables()
    def ad_accounts(self, access_token: str) -> list[RemoteAdAccount]:
        """List the ad accounts of a token with currency and status, in TikTok's order."""
        listed = _client().advertisers(access_token)
        ids = [account.id for account in listed]
        details = {info.id: info for info in _client().advertiser_info(access_token, ids)}
        return [details.get(account.id, account) for account in listed]

    @sensitive_variables()
    def create_audience(self, access_token: str, ad_account_id: str, *, name: str) -> str:
        """Create an audience and return its id. After a Retry it may exist: look in the list."""
        return _client().create_audience(access_token, ad_account_id, name)

    @sensitive_variables()
    def create_lookalike(
        self, access_token: str, ad_account_id: str, *, source_id: str, wanted: Lookalike
    ) -> str:
        """Create a lookalike for all devices on TikTok, without the people of its source."""
        return _client().create_lookalike(access_token, ad_account_id, source_id, wanted)

    @sensitive_variables()
    def delete_audience(
        self, access_token: str, ad_account_id: str, *, audience_id: str, takes_people: bool
    ) -> None:
        """Delete an audience, by the endpoint for its type."""
        client = _client()
        delete = client.delete_audience if takes_people else client.delete_other_audience
        delete(access_token, ad_account_id, audience_id)

    @sensitive_variables()
    def list_audiences(self, access_token: str, ad_account_id: str) -> list[RemoteAudience]:
        """List all audiences of an ad account, also those that people cannot be sent to."""
        return _client().list_audiences(access_token, ad_account_id)

    @sensitive_variables()
    def get_audiences(
        self, access_token: str, ad_account_id: str, *, audience_ids: Sequence[str]
    ) -> list[RemoteAudience]:
        """Read some audiences by id."""
        return _client().get_audiences(access_token, ad_account_id, audience_ids)

    @sensitive_variables()
    def build_call(
        self, ad_account_id: str, action: Action, kinds: Sequence[str], cells: Sequence[Cells]
    ) -> Call:
        """Build one request to /segment/mapping/; no I/O."""
        body = wire.build_mapping_body(ad_account_id, action, kinds, cells)
        audience_ids = tuple(
            dict.fromkeys(audience_id for part in cells for audience_id in part.audience_ids)
        )
        return Call("POST", "segment/mapping/", body, audience_ids)

    @sensitive_variables()
    def push(self, access_token: str, call: Call) -> Receipt:
        """Send one request made by `build_call`."""
        return _client().push(access_token, call.body)

    def error_of(self, code: str | None) -> PartnerError:
        """Return the error of a stored answer code; None stands for no clear answer."""
        # The code may come from a URL that a user has typed, so it need not be a number.
        number = sent_numbers.whole(code)
        return no_clear_answer("") if number is None else error_for(number)


def _client() -> Client:
    deadline: float = settings.SYNC.request_deadline
    app = settings.TIKTOK_APP_ID, settings.TIKTOK_APP_SECRET
    return _client_of(os.getpid(), *app, settings.TIKTOK_API_URL, deadline)


@lru_cache(maxsize=4)
@sensitive_variables()
def _client_of(pid: int, app_id: str, app_secret: str, api_url: str, deadline: float) -> Client:
    """Return the client of this process: connections are reused, but not across a fork."""
    return Client(app_id, app_secret, api_url, deadline=deadline)
