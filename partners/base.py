"""What every partner has in common: the values that come and go, and the contract `Partner`.

To add a partner: one folder that implements `Partner`, one line in registry.py, one logo.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

KINDS = ("email", "phone", "idfa", "gaid")
"""The kinds of identifiers, in the fixed order in which they travel."""


class Action(StrEnum):
    ADD = "add"
    REMOVE = "remove"


@dataclass(frozen=True, slots=True)
class Token:
    """The right to act at the partner. Seal it before it touches the database."""

    access_token: str = field(repr=False)
    scopes: tuple[int, ...] = ()
    advertiser_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PartnerUser:
    """Who connected, in the partner's own words."""

    id: str
    name: str
    email_masked: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class RemoteAdAccount:
    """`time_zone` and `status` are the partner's own words; empty where it did not tell."""

    id: str
    name: str
    currency: str = ""
    time_zone: str = ""
    status: str = ""
    is_usable: bool = True


@dataclass(frozen=True, slots=True)
class RemoteAudience:
    """`size` counts matched people, as far as the partner has worked it out; `why_not` is empty if it is appendable."""

    id: str
    name: str
    type: str
    size: int
    is_valid: bool
    is_expiring: bool
    is_appendable: bool
    why_not: "StrOrPromise" = ""


@dataclass(frozen=True, slots=True)
class Cells:
    """People on their way to the same audiences.

    A row has one 32-byte SHA-256 or None per kind of the request, in the order of KINDS; never only Nones.
    """

    audience_ids: tuple[str, ...]
    rows: Sequence[Sequence[bytes | None]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Preset:
    """What one request may carry (None: no limit of that sort), and how many requests a second one `per` may make."""

    name: str
    people_per_request: int | None
    ids_per_request: int | None
    audiences_per_request: int
    requests_per_second: float
    per: Literal["app", "ad_account"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """The partner took a request over. `request_id` is for its support."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """Words, and the page of the partner that they speak of; without ``url`` only the words."""

    label: "StrOrPromise"
    url: str = ""


class Partner(Protocol):
    """One outside world. Every method that calls it raises Retry, Rejected or Disconnected, and nothing else."""

    key: str
    label: str
    category: "StrOrPromise"
    summary: "StrOrPromise"
    description: "StrOrPromise"
    icon: str  # a symbol of static/icons.svg
    prerequisites: tuple["Link", ...]
    presets: dict[str, Preset]
    max_audience_name: int
    max_audiences_per_ad_account: int

    def authorize_url(self, *, state: str, redirect_uri: str) -> str: ...

    def exchange(self, auth_code: str) -> Token: ...

    def is_configured(self) -> bool:
        """Tell whether this installation has credentials for the partner."""
        ...

    def lacks_permission(self, token: Token) -> bool:
        """Tell whether the user granted less than syncing needs."""
        ...

    def missing_permissions(self, token: Token) -> "list[StrOrPromise]":
        """Name what syncing needs and the user did not grant, in the partner's own words."""
        ...

    def revoke(self, access_token: str) -> None: ...

    def user(self, access_token: str) -> PartnerUser: ...

    def ad_accounts(self, access_token: str) -> list[RemoteAdAccount]: ...

    def create_audience(self, access_token: str, ad_account_id: str, *, name: str) -> str:
        """Create and answer the new id. After a Retry it may exist nevertheless: list by name before asking again."""
        ...

    def delete_audience(
        self, access_token: str, ad_account_id: str, *, audience_id: str
    ) -> None: ...

    def list_audiences(self, access_token: str, ad_account_id: str) -> list[RemoteAudience]: ...

    def get_audiences(
        self, access_token: str, ad_account_id: str, *, audience_ids: Sequence[str]
    ) -> list[RemoteAudience]:
        """Read some audiences; those that no longer exist are left out."""
        ...

    def build_body(
        self, ad_account_id: str, action: Action, kinds: Sequence[str], cells: Sequence[Cells]
    ) -> bytes:
        """Write the body of one request; no I/O."""
        ...

    def push(self, access_token: str, body: bytes) -> Receipt: ...

    def sentence(self, code: int | None) -> str:
        """Say a stored answer code in a marketer's words; None stands for no clear answer."""
        ...
