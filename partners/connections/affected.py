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
    syncs = Sync.objects.filter(
        app_group=app_group, audience__ad_account__connection__partner=partner
    )
    return _lines_of(syncs.exclude(audience__ad_account__remote_id__in=remote_ids))


@sensitive_variables()
def steps_losing_audiences(state: OAuthState, remote_ids: Collection[str]) -> list[AffectedStep]:
    """Return the steps on chosen ad accounts with audiences that the new user does not reach.

    ``state`` is the authorisation of the new user, ``remote_ids`` are the ad accounts chosen in it.
    Raises PartnerError or crypto.CannotOpen.
    """
    partner = registry.get(state.partner)
    syncs = Sync.objects.filter(
        app_group=state.app_group, audience__ad_account__connection__partner=partner.key
    )
    syncs = _syncs_in_use(syncs).filter(
        audience__ad_account__remote_id__in=remote_ids, audience__gone_at=None
    )
    rows = syncs.values_list("pk", "audience__ad_account__remote_id", "audience__remote_id")
    keys = {pk: (ad_account_id, audience_id) for pk, ad_account_id, audience_id in rows}
    if not keys:
        return []
    token = oauth.token_of(state)
    reached = {
        (ad_account_id, audience.id)
        for ad_account_id in sorted({ad_account_id for ad_account_id, _id in keys.values()})
        for audience in partner.list_audiences(token, ad_account_id)
    }
    return _lines_of(syncs.filter(pk__in=[pk for pk, key in keys.items() if key not in reached]))


def steps_of(subject: Connection | AdAccount | Audience) -> list[AffectedStep]:
    """Return the steps that a change of ``subject`` affects: live, or with pending people."""
    return _lines_of(_syncs_of(subject))


def _syncs_of(subject: Connection | AdAccount | Audience) -> QuerySet[Sync]:
    match subject:
        case Connection():
            return Sync.objects.filter(audience__ad_account__connection=subject)
        case AdAccount():
            return Sync.objects.filter(audience__ad_account=subject)
        case Audience():
            return Sync.objects.filter(audience=subject)


def _syncs_in_use(syncs: QuerySet[Sync]) -> QuerySet[Sync]:
    """Return the Syncs that are live or have pending people."""
    return syncs.filter(Q(is_live=True) | Q(tally__pending__gt=0))


def _lines_of(syncs: QuerySet[Sync]) -> list[AffectedStep]:
    """Return one line per step and audience, those with pending people first."""
    with_pending = _syncs_in_use(syncs).annotate(n_pending=Coalesce(F("tally__pending"), 0))
    rows = list(with_pending.select_related("audience__ad_account").order_by("label", "url", "pk"))
    errored_at = _first_deadlines(sync.pk for sync in rows if sync.n_pending)
    lines = _merge_lines(
        AffectedStep(
            sync.label,
            sync.url,
            sync.is_live,
            sync.n_pending,
            sync.audience.name,
            sync.audience.ad_account.name,
            errored_at.get(sync.pk),
        )
        for sync in rows
    )
    return sorted(lines, key=lambda line: not line.n_pending)


def _first_deadlines(syncs: Iterable[int]) -> dict[int, datetime]:
    """Return Sync id -> when the first of its pending people count as errored; one query."""
    batches = risks.pending_batches().filter(sync__in=list(syncs), deadline_at__isnull=False)
    rows = batches.order_by().values_list("sync").annotate(first_deadline=Min("deadline_at"))
    return dict(rows)


def _merge_lines(lines: Iterable[AffectedStep]) -> list[AffectedStep]:
    """Merge the lines of one step: it can have several Syncs, such as former ones."""
    line_of: dict[tuple[str, str], AffectedStep] = {}
    for line in lines:
        key = (line.label, line.url)
        line_of[key] = _merge(line_of[key], line) if key in line_of else line
    return list(line_of.values())


def _merge(one: AffectedStep, other: AffectedStep) -> AffectedStep:
    return replace(
        other,
        is_live=one.is_live or other.is_live,
        n_pending=one.n_pending + other.n_pending,
        errored_at=min(filter(None, (one.errored_at, other.errored_at)), default=None),
    )
