"""Register the read-only tables for operators: connections, the queue, its counts, incidents."""

from urllib.parse import urlsplit

from audiencesync.groups.operators.read_only import presence, register
from partners import models


def host(url: str) -> str:
    """Return the host alone: addresses of webhooks may carry keys."""
    return urlsplit(url).hostname or "–"


register(
    [models.Connection],
    personal=dict.fromkeys(["remote_user_id", "remote_user_name", "remote_user_email"], presence),
    also=("scopes",),
)
register([models.SpentToken, models.OAuthState])
register([models.Webhook], personal={"url": host})
register([models.AdAccount, models.AudienceSize, models.MemberCount, models.CheckAnswer])
register([models.Audience, models.WebhookCall], keys=("api_id",))
register([models.Sync, models.Batch, models.Push], also=("kinds", "batches"))
register([models.Delivery, models.PushShare, models.Incident, models.Notice, models.NoticeChoice])
register([models.Budget, models.Lane, models.Count, models.Thresholds])
register([models.TallyHour, models.TallyDay])
register([models.Tally], also=("base",))
