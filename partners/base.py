"""The contract of a partner (`Partner`) and the values that pass through it.

To add a partner, follow docs/adding-a-partner.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from django.core.checks import CheckMessage
from django.db import models
from django.utils.translation import gettext_lazy as _

from partners.errors import PartnerError

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KINDS = ("email", "phone", "idfa", "gaid")
"""The kinds of identifiers, in the order of the columns of a request."""
MAX_CODE = 40
"""The longest answer code that is stored; longer ones are cut."""


class Action(models.TextChoices):
    """What happens to a person at the audience."""

    ADD = "add", _("Add users to audience")
    REMOVE = "remove", _("Remove users from audience")

    @property
    def opposite(self) -> "Action":
        return Action.REMOVE if self is Action.ADD else Action.ADD


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. Encrypt both secrets before they are stored (Connection.set_token).

    `refresh_token` is empty and `expires_at` is None where the access token does not expire.
    """

    access_token: str = field(repr=False)
    scopes: tuple[str, ...] = ()
    refresh_token: str = field(default="", repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PartnerUser:
    """The user of the partner who granted the access."""

    id: str
    name: str
    email_masked: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteAdAccount:
    """An ad account at the partner. `time_zone` and `status` are in the partner's terms, or empty.

    `is_usable`: ads can run in it.
    """

    id: str
    name: str
    currency: str = ""
    time_zone: str = ""
    status: str = ""
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class RemoteAudience:
    """An audience at the partner.

    `size` counts matched people. `is_appendable`: people can be added; else `why_not` says why not.
    """

    id: str
    name: str
    type: str
    size: int
    is_valid: bool
    is_expiring: bool
    is_appendable: bool
    why_not: "StrOrPromise" = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Lookalike:
    """An audience of people who are like those of another one, to be created.

    `country`: two letters. `reach`: how alike, a key of `Partner.lookalike_reaches`.
    """

    name: str
    country: str
    reach: str


@dataclass(frozen=True, slots=True)
class Cells:
    """Rows of identifiers that go to the same audiences.

    A row is about one person and has one cell per kind of the request, in the order of KINDS. A
    cell is a 32-byte SHA-256 or None; at least one cell of a row is not None.
    """

    audience_ids: tuple[str, ...]
    rows: Sequence[Sequence[bytes | None]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request that adds or removes people, to be sent by `Partner.push`.

    `path` is relative to the partner's API. `audience_ids`: those that the body names.
    """

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: bytes = field(repr=False)
    audience_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Preset:
    """What one request may carry (None: unlimited), and how many requests a second are allowed.

    `per` names the owner of the requests a second: the developer app, or each ad account.
    """

    name: str
    people_per_request: int | None
    ids_per_request: int | None
    audiences_per_request: int
    requests_per_second: float
    per: Literal["app", "ad_account"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The partner accepted a request. `request_id` is for the partner's support."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """A text, and the page of the partner that it is about; without ``url`` only the text."""

    label: "StrOrPromise"
    url: str = ""


@dataclass(frozen=True, slots=True)
class FaqEntry:
    """A question (`text`) and its answer on the partner page.

    The answer may name %(partner)s, %(ads_manager)s, %(max)s (audiences in an ad account) and
    %(time)s (how long a delivery is retried).
    """

    text: "StrOrPromise"
    answer: "StrOrPromise"


class Partner(Protocol):
    """One ad partner. Methods that call it raise only Retry, Rejected or Disconnected."""

    key: str  # at most 20 lower-case letters; it is stored, and part of URLs
    label: str  # stands in texts as %(partner)s
    category: "StrOrPromise"
    summary: "StrOrPromise"
    description: "StrOrPromise"
    icon: str  # a symbol of static/icons.svg
    prerequisites: tuple["Link", ...]
    settings_hint: str  # the settings that hold the credentials of the developer app
    kinds: tuple[str, ...]  # kinds of identifiers that are accepted, a subset of KINDS
    created_type: str  # the RemoteAudience.type of audiences that we create
    ad_account_statuses: Mapping[str, "StrOrPromise"]  # words for RemoteAdAccount.status
    active_statuses: frozenset[str]  # the statuses of ad accounts in which ads can run
    audience_types: Mapping[str, "StrOrPromise"]  # words for RemoteAudience.type
    requirement: "StrOrPromise"  # what connecting needs, in a sentence, for the first steps
    needed_role: "StrOrPromise"  # the roles in an ad account that may sync
    access_lost: "StrOrPromise"  # why the partner may refuse a token; the end of a sentence
    matching_hours: tuple[int, int]  # how long matching takes, from and to
    smallest_audience: int  # matched people from which a size is shown and ads run
    ads_manager: str  # the name of the partner's own list of audiences
    faq: tuple[FaqEntry, ...]  # for the partner page; partners/faq.py has some for all partners
    codes: Mapping[str, tuple[str, ...]]  # cause (errors.py) -> answer codes, for the help
    # Words for Lookalike.reach, from narrow to wide (the middle is suggested); empty: no support.
    lookalike_reaches: Mapping[str, "StrOrPromise"]
    lookalike_seed: int  # matched people that the source of a lookalike needs
    lookalike_type: str  # the RemoteAudience.type of lookalikes, which cannot be a source
    code_parameter: str  # the query parameter of the callback that carries the code
    max_audience_name: int
    max_audiences_per_ad_account: int

    @property
    def preset(self) -> Preset:
        """Return the limits that apply to this installation."""
        ...

    @property
    def app_key(self) -> str:
        """Return the id of the developer app: requests share its budget if `preset.per` is app."""
        ...

    @property
    def links(self) -> Sequence[Link]:
        """Return the partner's pages that the connected page links to."""
        ...

    @property
    def form_action(self) -> str:
        """Return scheme and host of the consent page, for the Content-Security-Policy."""
        ...

    def is_configured(self) -> bool:
        """Return whether this installation has credentials for the partner."""
        ...

    def check_settings(self) -> list[CheckMessage]:
        """Return what `manage.py check` reports about the partner's settings."""
        ...

    def authorize_url(self, *, state: str, redirect_uri: str) -> str:
        """Return the address of the consent page."""
        ...

    def exchange(self, code: str, *, redirect_uri: str) -> Token:
        """Redeem the code of a callback; ``redirect_uri`` is that of `authorize_url`."""
        ...

    def refresh(self, refresh_token: str) -> Token:
        """Return a new token; its `refresh_token` replaces the old one, unless it is empty."""
        ...

    def missing_permissions(self, token: Token) -> "list[StrOrPromise]":
        """Name the permissions that syncing needs and the user did not grant."""
        ...

    def revoke(self, token: str) -> None:
        """End a grant: by its refresh token if there is one, else by its access token."""
        ...

    def user(self, access_token: str) -> PartnerUser:
        """Return the connected user: the cheapest proof that a token works."""
        ...

    def ad_accounts(self, access_token: str) -> list[RemoteAdAccount]:
        """List the ad accounts of a token."""
        ...

    def create_audience(self, access_token: str, ad_account_id: str, *, name: str) -> str:
        """Create an audience and return its id (at most 64 characters).

        After a Retry it may exist: look for its name in the list before creating it again.
        """
        ...

    def create_lookalike(
        self, access_token: str, ad_account_id: str, *, source_id: str, wanted: Lookalike
    ) -> str:
        """Create an audience of people like those of another one; return its id.

        Only called if `lookalike_reaches` is not empty.
        """
        ...

    def delete_audience(
        self, access_token: str, ad_account_id: str, *, audience_id: str, takes_people: bool
    ) -> None:
        """Delete an audience. ``takes_people``: whether people can be sent to it."""
        ...

    def list_audiences(self, access_token: str, ad_account_id: str) -> list[RemoteAudience]: ...

    def get_audiences(
        self, access_token: str, ad_account_id: str, *, audience_ids: Sequence[str]
    ) -> list[RemoteAudience]:
        """Read some audiences; those that no longer exist are left out."""
        ...

    def build_call(
        self, ad_account_id: str, action: Action, kinds: Sequence[str], cells: Sequence[Cells]
    ) -> Call:
        """Build one request; no I/O."""
        ...

    def push(self, access_token: str, call: Call) -> Receipt:
        """Send a request made by `build_call`."""
        ...

    def error_of(self, code: str | None) -> PartnerError:
        """Return the error of a stored answer code; None stands for no clear answer."""
        ...
