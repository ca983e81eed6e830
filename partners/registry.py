"""The registered partners: one line each. Tests may replace PARTNERS."""

from collections.abc import Sequence

from partners.base import Partner
from partners.tiktok.partner import TikTok

PARTNERS: tuple[Partner, ...] = (TikTok(),)


def get(key: str) -> Partner:
    """Return the partner with this key. Raises KeyError."""
    return {partner.key: partner for partner in PARTNERS}[key]


def default() -> Partner:
    """Return the partner that a group without any connection sees first."""
    return PARTNERS[0]


def names(partners: Sequence[Partner] | None = None) -> str:
    """Return the labels of these partners, or of all, as one text."""
    return " / ".join(partner.label for partner in (PARTNERS if partners is None else partners))
