"""Remove people again from the audience to which a Sync added them, when they leave.

Each add is reverted at most once: the entry key of the removal is the id of the add. Another Sync
that added the same person to the audience, and was not reverted itself, still wants them there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet

from partners.models import Action, Audience, Delivery, Outcome, Reason, Sync
from partners.queue import collect, enqueue, supersede, tally

OTHER_REMOVALS = ~Q(sync__purpose__in=[Sync.Purpose.LEFT, Sync.Purpose.MISREAD])
"""Removals after which no one is wanted in the audience because of an earlier add."""

NOT_VOID = ~Q(outcome__in=supersede.VOID) & ~Q(batch__state=Outcome.CANCELLED)
STANDING = NOT_VOID & Q(batch__cancel_requested=False)
"""Adds that were not void. Errored ones stand: they may have arrived."""


def withdraw(
    one: Sync, profiles: Iterable[int], *, now: datetime, even_if_wanted: bool = False
) -> int:
    """Enqueue the removal of people whom ``one`` added. Return how many adds are reverted.

    Inside the caller's transaction, for at most 10,000 profiles. ``even_if_wanted``: former
    identifiers have to go, although other Syncs want the people there.
    """
    adds = not_reverted(one, profiles)
    if not adds.exists():
        return 0
    with tally.gathered(now=now) as moves:
        # From here on no other Sync of the audience can add or remove people.
        list(
            Audience.objects.select_for_update(no_key=True)
            .filter(pk=one.audience_id)
            .values_list("pk")
        )
        undoing = undoing_sync(one)
        if even_if_wanted:
            # Another Sync has removed them: once more would supersede what was added since.
            rest, as_it_is = (
                Exists(_removed_since(one.audience_id)),
                (Outcome.CANCELLED, Reason.SUPERSEDED),
            )
        else:
            rest, as_it_is = Exists(wanted(one)), (Outcome.NOT_SYNCED, Reason.WANTED_ELSEWHERE)
        outcome, reason = as_it_is
        done = Delivery.objects.bulk_create(
            Delivery(sync=undoing, profile_id=profile, entry_key=pk, outcome=outcome, reason=reason)
            for pk, profile in adds.filter(rest).values_list("pk", "profile")
        )
        moves.add(undoing.pk, entered=len(done), **{outcome: len(done)})
        # Those are reverted by now.
        leaving = adds.values_list("pk", "profile_id")
        return len(done) + enqueue.enqueue(undoing, leaving, now=now)


def not_reverted(one: Sync, profiles: Iterable[int]) -> QuerySet[Delivery]:
    """Return the adds of these profiles that may have reached the audience, or still may."""
    # Others left before, and stayed only because of an add of ``one`` that was never sent.
    kept = Delivery.objects.filter(
        profile=OuterRef("profile"),
        sync__undoes__audience=one.audience_id,
        reason=Reason.WANTED_ELSEWHERE,
    )
    # + 0: no index on the Sync, which may have very many deliveries, but that on the profile.
    mine = Delivery.objects.annotate(of_sync=F("sync_id") + 0).filter(
        of_sync=one.pk, profile__in=list(profiles)
    )
    return mine.filter(STANDING | Q(Exists(kept)), ~supersede.reverted())


def standing(syncs: Iterable[int]) -> QuerySet[Delivery]:
    """Return the adds of these Syncs that are neither void nor reverted."""
    adds = Delivery.objects.filter(STANDING, sync__in=list(syncs), profile__isnull=False)
    return adds.filter(~supersede.reverted())


def wanted(but: Sync) -> QuerySet[Delivery]:
    """Return a subquery: adds by other Syncs that want the person of an outer delivery there."""
    return _claims(but.audience_id).filter(profile=OuterRef("profile")).exclude(sync=but)


def wanting(syncs: Iterable[int], *, most: int) -> list[tuple[str, str, int]]:
    """Return label and page of each step that wants people who left ``syncs``, and how many.

    Of the last ``most`` people who left.
    """
    left = Delivery.objects.filter(sync__undoes__in=list(syncs), reason=Reason.WANTED_ELSEWHERE)
    newest = left.order_by("-pk").values_list("profile", "sync__audience", "sync__undoes")[:most]
    people: dict[tuple[int, int], set[int]] = {}
    for profile, audience, undone in newest:
        if profile is not None and undone is not None:
            people.setdefault((audience, undone), set()).add(profile)
    found: dict[tuple[str, str], int] = {}
    for (audience, undone), profiles in people.items():
        claims = _claims(audience).filter(profile__in=profiles).exclude(sync=undone)
        rows = claims.order_by().values_list("sync__label", "sync__url")
        for label, url, n in rows.annotate(n=Count("profile", distinct=True)):
            found[label, url] = found.get((label, url), 0) + n
    return sorted(((*step, n) for step, n in found.items()), key=lambda row: (-row[2], row[0]))


def _claims(audience_id: int) -> QuerySet[Delivery]:
    """Return adds whose people are wanted in the audience, by the Syncs that added them."""
    adds = Delivery.objects.filter(
        batch__audience=audience_id, batch__action=Action.ADD, sync__claims=True
    )
    stays = Q(batch__moves_to=None) | Q(batch__moves_to__audience=audience_id)
    removed = Exists(_removed_since(audience_id, OTHER_REMOVALS))
    return adds.filter(STANDING, stays, ~supersede.reverted(), ~removed)


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


def undoing_sync(one: Sync) -> Sync:
    """Return the Sync that reverts ``one``, made at first need. Under the lock of the audience."""
    account = one.audience.ad_account
    values = {
        "app_group_id": one.app_group_id,
        "audience_id": one.audience_id,
        "action": Action.REMOVE,
        "kinds": list(collect.partner_of(account).kinds),
        "label": one.label,
        "url": one.url,
        "is_live": one.is_live,
        "purpose": Sync.Purpose.LEFT,
    }
    found, _is_new = Sync.objects.get_or_create(undoes=one, defaults=values)
    return Sync.objects.select_related("app_group", "audience__ad_account__connection").get(
        pk=found.pk
    )
