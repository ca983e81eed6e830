"""What a change of a connection, an ad account or an audience would break: the steps concerned."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import F, Min, Q, QuerySet
from django.db.models.functions import Coalesce
from django.views.decorators.debug import sensitive_variables

from audiencesync.groups.models import AppGroup
from partners import registry, risks
from partners.connections import oauth
from partners.models import AdAccount, Audience, Connection, OAuthState, Sync


@dataclass(frozen=True, slots=True)
class AffectedStep:
    """A step that a change concerns, with its pending people.

    ``errored_at``: when the first of them count as errored if nothing is sent until then; None if
    no people wait, or their retry window has not begun.
    """

    label: str
    url: str
    is_live: bool
    n_pending: int
    audience: str = ""
    ad_account: str = ""
    errored_at: datetime | None = None

    @property
    def name(self) -> str:
        """Return the label without the name of the audience at its end."""
        return self.label.removesuffix(f": {self.audience}")


def steps_losing_accounts(
    app_group: AppGroup, partner: str, remote_ids: Collection[str]
) -> list[AffectedStep]:
    """Return the steps of this group that need an ad account not among ``remote_ids``."""
    needed = Sync.objects.filter(
        app_group=app_group, audience__ad_account__connection__partner=partner
    )
    return _found(needed.exclude(audience__ad_account__remote_id__in=remote_ids))


@sensitive_variables()
def steps_losing_audiences(state: OAuthState, remote_ids: Collection[str]) -> list[AffectedStep]:
    """Return the steps whose ad account stays but whose audience the new user does not reach.

    Raises PartnerError or crypto.CannotOpen.
    """
    partner = registry.get(state.partner)
    needed = _needed(
        Sync.objects.filter(
            app_group=state.app_group, audience__ad_account__connection__partner=partner.key
        )
    )
    needed = needed.filter(audience__ad_account__remote_id__in=remote_ids, audience__gone_at=None)
    pairs = set(needed.values_list("audience__ad_account__remote_id", "audience__remote_id"))
    if not pairs:
        return []
    token = oauth.token_of(state)
    lost: set[str] = set()
    for ad_account_id in sorted({ad_account_id for ad_account_id, _audience in pairs}):
        reached = {one.id for one in partner.list_audiences(token, ad_account_id)}
        lost |= {
            audience
            for owner, audience in pairs
            if owner == ad_account_id and audience not in reached
        }
    return _found(needed.filter(audience__remote_id__in=lost))


def steps_of(subject: Connection | AdAccount | Audience) -> list[AffectedStep]:
    """Return the steps that a change of ``subject`` affects: live or with pending people."""
    return _found(_syncs_of(subject))


def _syncs_of(subject: Connection | AdAccount | Audience) -> QuerySet[Sync]:
    match subject:
        case Connection():
            return Sync.objects.filter(audience__ad_account__connection=subject)
        case AdAccount():
            return Sync.objects.filter(audience__ad_account=subject)
        case Audience():
            return Sync.objects.filter(audience=subject)


def _needed(syncs: QuerySet[Sync]) -> QuerySet[Sync]:
    return syncs.filter(Q(is_live=True) | Q(tally__pending__gt=0))


def _found(syncs: QuerySet[Sync]) -> list[AffectedStep]:
    """Return one line per step and audience, those with pending people first."""
    needed = _needed(syncs).annotate(n_pending=Coalesce(F("tally__pending"), 0))
    rows = list(needed.select_related("audience__ad_account").order_by("label", "url", "pk"))
    ends = _first_errored(row.pk for row in rows if row.n_pending)
    found = _summed(
        AffectedStep(
            one.label,
            one.url,
            one.is_live,
            one.n_pending,
            one.audience.name,
            one.audience.ad_account.name,
            ends.get(one.pk),
        )
        for one in rows
    )
    return sorted(found, key=lambda one: not one.n_pending)


def _first_errored(syncs: Iterable[int]) -> dict[int, datetime]:
    """Return Sync id -> when the first of its pending people count as errored; one query."""
    batches = risks.pending_batches().filter(sync__in=list(syncs), deadline_at__isnull=False)
    rows = batches.order_by().values_list("sync").annotate(first=Min("deadline_at"))
    return dict(rows)


def _summed(rows: Iterable[AffectedStep]) -> list[AffectedStep]:
    found: dict[tuple[str, str], AffectedStep] = {}
    for row in rows:
        key = (row.label, row.url)
        found[key] = _sum(found[key], row) if key in found else row
    return list(found.values())


def _sum(one: AffectedStep, other: AffectedStep) -> AffectedStep:
    return replace(
        other,
        is_live=one.is_live or other.is_live,
        n_pending=one.n_pending + other.n_pending,
        errored_at=min(filter(None, (one.errored_at, other.errored_at)), default=None),
    )
