"""How a delivery or batch ended, and why."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Outcome(models.TextChoices):
    """The state of a delivery or a batch. A batch itself is never NOT_SYNCED."""

    PENDING = "pending", _("pending")
    SYNCED = "synced", _("synced")
    NOT_SYNCED = "not_synced", _("not synced")
    ERRORED = "errored", _("errored")
    CANCELLED = "cancelled", _("cancelled")


class Reason(models.TextChoices):
    """Why a delivery was not synced or was cancelled."""

    NO_IDENTIFIER = "no_identifier", _("None of the chosen fields is filled")
    INVALID_VALUE = "invalid_value", _("The chosen fields hold no valid value")
    NO_CONSENT = "no_consent", _("No consent to advertising")
    AD_TRACKING_OFF = "ad_tracking_off", _("Ad tracking is switched off")
    ERASED = "erased", _("Erased meanwhile")
    SUPERSEDED = "superseded", _("A later component asked for the opposite")
    DISCARDED = "discarded", _("Discarded by a member of this app group")
    MOVED = "moved", _("Moved along when the component was changed")
    WANTED_ELSEWHERE = "wanted_elsewhere", _("Another component still wants them there")
