"""Reasons why people of a step are not synced: their counts, and the deliveries of each reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core.csv_files import Cell
from audiencesync.people.models import Profile
from audiencesync.people.views import csv_export
from canvases.models import Step, Visit
from canvases.steps.base import Text
from partners import behind, registry, sync
from partners.base import Partner
from partners.models import Delivery, Outcome, Reason, Sync
from partners.waiting import NO_ANSWER

OUTCOMES = (Outcome.NOT_SYNCED, Outcome.ERRORED, Outcome.PENDING, Outcome.CANCELLED)
# Of batches that could not be pushed.
OWN_CODES: dict[str, Promise] = {
    "sealed": _(
        "The keys of this installation (TOKEN_KEYS) did not open its access to %(partner)s in time"
    ),
    "disconnected": _("%(partner)s was not connected again in time"),
}
ADVICE: dict[str, Promise] = {
    Reason.NO_IDENTIFIER: _(
        "Choose more fields in the component, or import the values that are missing."
    ),
    Reason.INVALID_VALUE: _(
        "The page of each person says which value is wrong and why: import the right one."
    ),
    Reason.NO_CONSENT: _("They are added to no audience until they consent to advertising."),
    Reason.AD_TRACKING_OFF: _(
        "Their device IDs are never sent. "
        "Choose e-mail or phone in the component, or import them if they are missing."
    ),
    Reason.WANTED_ELSEWHERE: _(
        "They left, and stay in the audience because another component wants them there, "
        "or because another person there has the same identifiers. "
        "They are removed when they leave that component too, if it removes people again."
    ),
}


@dataclass(frozen=True, slots=True)
class Why:
    """The number of people with an outcome and a reason (a code; empty if none was noted)."""

    outcome: str
    reason: str
    n: int
    partner: Partner
    is_removal: bool = False  # of people who left

    @property
    def heading(self) -> Text:
        """Return the outcome in words, and whether people who left are meant."""
        if self.is_removal:
            not_removed = self.outcome == Outcome.NOT_SYNCED
            label = gettext("not removed") if not_removed else self.outcome_label
            return gettext("People who left: %(outcome)s") % {"outcome": label}
        return self.outcome_label

    @property
    def text(self) -> str:
        """Return the reason in words."""
        # Our own codes say why people were errored, not why they wait.
        if self.outcome == Outcome.PENDING and not _is_code_of_partner(self.reason):
            return gettext("Waiting to be sent")
        return reason_text(self.reason, self.partner)

    @property
    def outcome_label(self) -> Text:
        """Return the outcome in words."""
        return Outcome(self.outcome).label

    @property
    def advice(self) -> Text:
        """Return what to do, where the words of the reason do not say it."""
        return ADVICE.get(self.reason, "")

    @property
    def is_final(self) -> bool:
        """Return whether a change of the step or the profile cannot send these people any more."""
        return self.outcome == Outcome.NOT_SYNCED and not self.is_removal


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """A delivery with its profile (None: erased) and the time at which it entered the canvas."""

    delivery: Delivery
    profile: Profile | None
    entered_at: datetime | None

    @property
    def at(self) -> datetime | None:
        """Return when it was settled, or enqueued; None without a batch."""
        batch = self.delivery.batch
        return (batch.settled_at or batch.created_at) if batch else None


def reasons(step: Step) -> list[Why]:
    """Return why people of ``step`` are not synced; the most frequent outcome and reason first.

    Then why people who left are not removed.
    """
    return [*_reasons(step, is_removal=False), *_reasons(step, is_removal=True)]


def _reasons(step: Step, *, is_removal: bool) -> list[Why]:
    by_outcome = sync.reasons(_syncs(step, is_removal=is_removal))
    partner = partner_of(step)
    found = [
        Why(outcome, reason, n, partner, is_removal)
        for outcome, by_reason in by_outcome.items()
        for reason, n in by_reason.items()
        if reason != Reason.MOVED
    ]
    totals: dict[str, int] = {}
    for why in found:
        totals[why.outcome] = totals.get(why.outcome, 0) + why.n
    return sorted(found, key=lambda why: (-totals[why.outcome], why.outcome, -why.n))


def partner_of(step: Step) -> Partner:
    """Return the partner that a step sends to."""
    if step.sync is None:
        return registry.default()
    return registry.get(step.sync.audience.ad_account.connection.partner)


def reason_text(reason: str, partner: Partner) -> str:
    """Return a reason or a code of ``partner`` in words."""
    if reason in Reason.values:
        return str(Reason(reason).label)
    if reason in OWN_CODES:
        return str(OWN_CODES[reason]) % {"partner": partner.label}
    if not reason:
        return gettext("No reason was noted")
    return partner.sentence(reason if _is_code_of_partner(reason) else None)


def _is_code_of_partner(reason: str) -> bool:
    return reason not in ("", NO_ANSWER, *Reason.values, *OWN_CODES)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which number of a step is asked for. ``is_removal``: of people who left."""

    outcome: Outcome
    reason: str
    is_removal: bool = False


def counted(step: Step, asked: Asked) -> tuple[Why, int]:
    """Return the number that the step shows, and how many deliveries of it are no longer kept."""
    mine = _syncs(step, is_removal=asked.is_removal)
    n = sync.reasons(mine).get(asked.outcome, {}).get(asked.reason, 0)
    return why(step, asked, n), behind.no_longer_kept(mine, asked.outcome, asked.reason)


def why(step: Step, asked: Asked, n: int = 0) -> Why:
    """Return the words for a number of a step."""
    return Why(asked.outcome, asked.reason, n, partner_of(step), asked.is_removal)


def people(step: Step, asked: Asked) -> QuerySet[Delivery]:
    """Return the deliveries that a number counts."""
    mine = _syncs(step, is_removal=asked.is_removal)
    return behind.people(mine, asked.outcome, asked.reason)


def lines(step: Step, deliveries: Iterable[Delivery]) -> list[DeliveryLine]:
    """Return each delivery with its profile and visit. Two queries, for removals three."""
    rows = list(deliveries)
    ids = {row.profile_id for row in rows if row.profile_id is not None}
    known = {
        one.pk: one
        for one in Profile.objects.filter(app_group=step.canvas.app_group_id, pk__in=ids)
    }
    visits = _visits(step, rows)
    entered = dict(
        Visit.objects.filter(canvas=step.canvas_id, pk__in=visits.values()).values_list(
            "pk", "entered_at"
        )
    )
    return [
        DeliveryLine(row, known.get(row.profile_id or 0), entered.get(visits.get(row.pk, 0)))
        for row in rows
    ]


def _visits(step: Step, rows: list[Delivery]) -> dict[int, int]:
    """Return delivery -> visit; of a removal, the visit of the add that it reverts."""
    own = {row.pk: row.entry_key for row in rows}
    if set(_syncs(step, is_removal=False)).issuperset(row.sync_id for row in rows):
        return own
    added = dict(
        Delivery.objects.filter(sync__steps=step, pk__in=own.values()).values_list(
            "pk", "entry_key"
        )
    )
    return {pk: added[key] for pk, key in own.items() if key in added}


def csv_rows(step: Step, found: QuerySet[Delivery], *, reason: str) -> Iterator[list[Cell]]:
    """Yield a row per delivery: the fields of the profile, the times, the reason.

    ``reason``: in words, because the rows are made after the language of the request is reset.
    """
    yield [
        csv_export.ID,
        *csv_export.COLUMNS,
        "outcome",
        "reason",
        "reason_code",
        "entered_canvas_at",
        "since",
    ]
    for rows in behind.in_chunks(found):
        for line in lines(step, rows):
            one, person = line.delivery, line.profile
            fields = (
                [f"{person.pk:024x}", *csv_export.fields(person)]
                if person
                else [""] * (1 + len(csv_export.COLUMNS))
            )
            times = [at.isoformat() if at else "" for at in (line.entered_at, line.at)]
            yield [*fields, one.status.value, reason, one.why, *times]


def _syncs(step: Step, *, is_removal: bool) -> list[int]:
    """Return the Syncs of a step, or those that remove people again."""
    mine = Sync.objects.filter(undoes__steps=step) if is_removal else step.syncs
    return list(mine.order_by("pk").values_list("pk", flat=True))
