"""Remove people who leave a step from the audience to which its Sync added them.

Each add is reverted at most once, by a second Sync (Sync.undoes): the entry key of the removal is
the id of the add. Another Sync whose add of the same person to the audience is not reverted still
wants them there: it claims them (Sync.claims).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from partners.models import Action, Audience, Delivery, Outcome, Reason, Sync
from partners.queue import collect, enqueue, supersede, tally

ENDS_CLAIMS = ~Q(sync__purpose__in=[Sync.Purpose.LEFT, Sync.Purpose.MISREAD])
"""Match removals that end the claims of earlier adds: all but those of two purposes.

LEFT ends no claim, because other steps still want the person. MISREAD ends none, because only a
hash by a former rule is removed and the person stays.
"""

NOT_VOID = ~Q(outcome__in=supersede.VOID) & ~Q(batch__state=Outcome.CANCELLED)
"""Match deliveries that were sent or may be sent: neither cancelled nor "not synced"."""

MAY_ARRIVE = NOT_VOID & Q(batch__cancel_requested=False)
"""Match adds that may be in the audience or arrive there: also errored, but not discarded ones."""


def withdraw(
    sync: Sync, profile_ids: Iterable[int], *, now: datetime, even_if_wanted: bool = False
) -> int:
    """Enqueue the removal of people whom ``sync`` added. Return how many adds are reverted.

    Runs inside the caller's transaction, for at most 10,000 profiles. ``even_if_wanted``: remove
    people although other Syncs claim them, because their identifiers changed and the former ones
    must go.
    """
    adds = not_reverted(sync, profile_ids)
    if not adds.exists():
        return 0
    with tally.atomic(now=now) as changes:
        # From here on no other Sync of the audience can add or remove people.
        audience = Audience.objects.select_for_update(no_key=True).filter(pk=sync.audience_id)
        list(audience.values_list("pk"))
        undoing = undoing_sync(sync)
        # Some adds are reverted without sending a removal.
        if even_if_wanted:
            # These people were removed since: a second removal would supersede later adds, too.
            unsent = adds.filter(Exists(_removed_since(sync.audience_id)))
            outcome, reason = Outcome.CANCELLED, Reason.SUPERSEDED
        else:
            unsent = adds.filter(Exists(_wanted_by_others(sync)))
            outcome, reason = Outcome.NOT_SYNCED, Reason.WANTED_ELSEWHERE
        reverted = Delivery.objects.bulk_create(
            Delivery(sync=undoing, profile_id=profile, entry_key=pk, outcome=outcome, reason=reason)
            for pk, profile in unsent.values_list("pk", "profile")
        )
        changes.add(undoing.pk, entered=len(reverted), **{outcome: len(reverted)})
        # ``adds`` is read again, now without the adds that were reverted above.
        others = adds.values_list("pk", "profile_id")
        return len(reverted) + enqueue.enqueue(undoing, others, now=now)


def not_reverted(sync: Sync, profile_ids: Iterable[int]) -> QuerySet[Delivery]:
    """Return the adds of these profiles that must be reverted and are not reverted yet.

    These are the adds that have arrived or may arrive. For people who left another Sync of the
    audience but stayed as wanted elsewhere, it is every add: one of them may be why they stayed.
    """
    kept = Delivery.objects.filter(
        profile=OuterRef("profile"),
        sync__undoes__audience=sync.audience_id,
        reason=Reason.WANTED_ELSEWHERE,
    )
    # "+ 0" makes the database use the index on profiles: a Sync may have very many deliveries.
    adds = Delivery.objects.annotate(sync_unindexed=F("sync_id") + 0).filter(
        sync_unindexed=sync.pk, profile__in=list(profile_ids)
    )
    return adds.filter(MAY_ARRIVE | Q(Exists(kept)), ~supersede.reverted_q())


def standing_adds(sync_ids: Iterable[int]) -> QuerySet[Delivery]:
    """Return the adds of these Syncs that have arrived or may arrive, and are not reverted."""
    adds = Delivery.objects.filter(MAY_ARRIVE, sync__in=list(sync_ids), profile__isnull=False)
    return adds.filter(~supersede.reverted_q())


def _wanted_by_others(sync: Sync) -> QuerySet[Delivery]:
    """Return a subquery: adds by which other Syncs claim the person of an outer delivery."""
    return _claims(sync.audience_id).filter(profile=OuterRef("profile")).exclude(sync=sync)


def steps_that_want(sync_ids: Iterable[int], *, most: int) -> list[tuple[str, str, int]]:
    """Return (label, URL, how many) of each step that wants people who left these Syncs.

    Only the ``most`` people who left last are read; the step with the highest number comes first.
    """
    left = Delivery.objects.filter(sync__undoes__in=list(sync_ids), reason=Reason.WANTED_ELSEWHERE)
    newest = left.order_by("-pk").values_list("profile", "sync__audience", "sync__undoes")[:most]
    profiles_of: dict[tuple[int, int], set[int]] = {}  # audience and Sync that they left
    for profile, audience, left_sync in newest:
        if profile is not None and left_sync is not None:
            profiles_of.setdefault((audience, left_sync), set()).add(profile)
    n_of_step: dict[tuple[str, str], int] = {}
    for (audience, left_sync), profiles in profiles_of.items():
        claims = _claims(audience).filter(profile__in=profiles).exclude(sync=left_sync)
        rows = claims.order_by().values_list("sync__label", "sync__url")
        for label, url, n in rows.annotate(n=Count("profile", distinct=True)):
            n_of_step[label, url] = n_of_step.get((label, url), 0) + n
    steps = [(label, url, n) for (label, url), n in n_of_step.items()]
    return sorted(steps, key=lambda step: (-step[2], step[0]))


def _claims(audience_id: int) -> QuerySet[Delivery]:
    """Return the adds by which Syncs claim people in the audience."""
    adds = Delivery.objects.filter(
        batch__audience=audience_id, batch__action=Action.ADD, sync__claims=True
    )
    # A batch that is about to move to another audience claims no one here (queue/move.py).
    stays = Q(batch__moves_to=None) | Q(batch__moves_to__audience=audience_id)
    removed = Exists(_removed_since(audience_id, ENDS_CLAIMS))
    return adds.filter(MAY_ARRIVE, stays, ~supersede.reverted_q(), ~removed)


def _removed_since(audience_id: int, *conditions: Q) -> QuerySet[Delivery]:
    """Return a subquery: removals from the audience that came after an outer add."""
    return Delivery.objects.filter(
        NOT_VOID,
        *conditions,
        profile=OuterRef("profile"),
        batch__audience=audience_id,
        batch__action=Action.REMOVE,
        batch__seq__gt=OuterRef("batch__seq"),
    )


def undoing_sync(sync: Sync) -> Sync:
    """Return the Sync that reverts ``sync``; create it at first need, under the audience's lock."""
    account = sync.audience.ad_account
    values = {
        "app_group_id": sync.app_group_id,
        "audience_id": sync.audience_id,
        "action": Action.REMOVE,
        # All kinds: Syncs whose people stayed because of this one may have sent other kinds.
        "kinds": list(collect.partner_of(account).kinds),
        "label": sync.label,
        "url": sync.url,
        "is_live": sync.is_live,
        "purpose": Sync.Purpose.LEFT,
    }
    undoing, _is_new = Sync.objects.get_or_create(undoes=sync, defaults=values)
    return Sync.objects.select_related("app_group", "audience__ad_account__connection").get(
        pk=undoing.pk
    )
