"""The partners people can be sent to: one line each."""

from partners.base import Partner
from partners.tiktok.partner import TikTok

PARTNERS: tuple[Partner, ...] = (TikTok(),)


def get(key: str) -> Partner:
    """Find a partner by its key; KeyError if there is none."""
    return {partner.key: partner for partner in PARTNERS}[key]
