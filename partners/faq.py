"""Frequently asked questions whose answers are the same for every partner."""

from django.utils.translation import gettext_lazy as _

from partners.base import FaqEntry

LAUNCH = FaqEntry(
    _("Why can I not launch my canvas?"),
    _(
        "An Audience Sync step needs a connected ad account, an audience that exists and can take "
        "people, an action, and at least one field to match. The checklist before the launch names "
        "what is missing and leads you to the field."
    ),
)
NUMBER_OF_AUDIENCES = FaqEntry(
    _("How many audiences can I have?"),
    _(
        "Up to %(max)s in each ad account. When it is full, delete one in %(ads_manager)s before "
        "you create another."
    ),
)
