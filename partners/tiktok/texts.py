"""TikTok's statuses and types in words for marketers, and the questions that its users ask."""

from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from partners.base import FaqEntry
from partners.faq import LAUNCH, NUMBER_OF_AUDIENCES

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

REQUIREMENT = _(
    "You need a Business Center account and admin rights on an ad account. About two minutes."
)
ACCESS_LOST = _(
    "the password was changed, the access was withdrawn, or the person left the Business Center."
)
AD_ACCOUNT_STATUSES: "dict[str, StrOrPromise]" = {
    "STATUS_ENABLE": _("Active"),
    "STATUS_DISABLE": _("Disabled"),
    "STATUS_LIMIT": _("Limited by TikTok"),
    "STATUS_PENDING_CONFIRM": _("Under review"),
    "STATUS_PENDING_VERIFIED": _("Under review"),
    "STATUS_CONFIRM_FAIL": _("Not approved"),
    "STATUS_CONTRACT_PENDING": _("Contract pending"),
}
LOOKALIKE = "Lookalike Audience"
AUDIENCE_TYPES: "dict[str, StrOrPromise]" = {
    "Partner": _("Created through the API"),
    "Customer File Audience": _("Customer file"),
    "App Activity Audience": _("App activity"),
    "Website Audience": _("Website visits"),
    LOOKALIKE: _("Lookalike"),
    "Engagement Audience": _("Engagement"),
    "Lead Generation": _("Lead form"),
}
LOOKALIKE_REACHES: "dict[str, StrOrPromise]" = {
    "NARROW": _("Narrow: most alike, fewest people"),
    "BALANCED": _("Balanced"),
    "BROAD": _("Broad: most people, least alike"),
}
FAQ: tuple[FaqEntry, ...] = (
    FaqEntry(
        _("Why does it say that TikTok no longer accepts our access?"),
        _(
            "The TikTok user changed the password, withdrew the access, or was removed from the "
            "Business Center. Press Change account and confirm again, with the same or another "
            "user who manages the same ad accounts. People who wait meanwhile are sent afterwards, "
            "up to %(time)s back; components need no change."
        ),
    ),
    LAUNCH,
    FaqEntry(
        _("How do I know who was matched?"),
        _(
            "Not person by person: TikTok never tells whom it found. You see how many people we "
            "sent, and TikTok shows the size of the audience. That size may even be larger than "
            "what we sent, because one device can belong to several TikTok users."
        ),
    ),
    FaqEntry(
        _("How long until people are visible at TikTok?"),
        _(
            "We send people within seconds. TikTok needs 24 to 48 hours to match them, and shows a "
            "size only from about 1,000 matched people; ads can run from then on."
        ),
    ),
    NUMBER_OF_AUDIENCES,
    FaqEntry(
        _("Why is an ad account or an audience greyed out or missing?"),
        _(
            "The connected user needs the role Admin or Operator in the ad account. People can "
            "only be sent to audiences created through the API, as AudienceSync does; lookalikes "
            "and audiences from uploaded files are shown, but cannot take people."
        ),
    ),
)
