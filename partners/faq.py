"""Frequently asked questions: the ones for every partner, and each partner's own."""

from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from partners.base import FaqEntry, Partner

LAUNCH = FaqEntry(
    _("Why can I not launch my canvas?"),
    _(
        "An Audience Sync component needs a connected ad account, an audience that exists and can "
        "take people, an action, and at least one field to match. The checklist before the launch "
        "names what is missing and leads you to the field."
    ),
)
NUMBER_OF_AUDIENCES = FaqEntry(
    _("How many audiences can I have?"),
    _(
        "Up to %(max)s in each ad account. When it is full, delete one in %(ads_manager)s before "
        "you create another."
    ),
)


def of(partner: Partner) -> list[FaqEntry]:
    """Return the FAQ of a partner, with its names and limits filled in."""
    params = {
        "partner": partner.label,
        "ads_manager": partner.ads_manager,
        "max": partner.max_audiences_per_ad_account,
        "time": deadlines.delivery_text(),
    }
    return [FaqEntry(str(entry.text) % params, str(entry.answer) % params) for entry in partner.faq]
