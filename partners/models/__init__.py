"""The tables of partners: connections, audiences, queue, deliveries, counts, incidents, checks."""

from partners.base import Action
from partners.models.audience_sizes import AudienceSize
from partners.models.checks import CheckAnswer
from partners.models.connections import (
    AdAccount,
    Audience,
    Connection,
    OAuthState,
    ParkedBy,
    SpentToken,
    lane_q,
)
from partners.models.incidents import Incident, Notice, NoticeChoice
from partners.models.lanes import Budget, Lane
from partners.models.member_counts import MemberCount
from partners.models.outcomes import Outcome, Reason
from partners.models.queue import Batch, Delivery, Push, PushShare, Sync
from partners.models.tallies import Count, Tally, TallyDay, TallyHour
from partners.models.thresholds import Thresholds
from partners.models.webhooks import Webhook, WebhookCall

__all__ = [
    "Action",
    "AdAccount",
    "Audience",
    "AudienceSize",
    "Batch",
    "Budget",
    "CheckAnswer",
    "Connection",
    "Count",
    "Delivery",
    "Incident",
    "Lane",
    "MemberCount",
    "Notice",
    "NoticeChoice",
    "OAuthState",
    "Outcome",
    "ParkedBy",
    "Push",
    "PushShare",
    "Reason",
    "SpentToken",
    "Sync",
    "Tally",
    "TallyDay",
    "TallyHour",
    "Thresholds",
    "Webhook",
    "WebhookCall",
    "lane_q",
]
