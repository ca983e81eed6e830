"""Reasons why people of a step are not synced, with their counts and what to do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core import deadlines
from canvases.models import Step
from canvases.steps.base import Text
from partners import registry, sync
from partners.base import Partner
from partners.catalogue.errors import ENTRIES as ERRORS
from partners.errors import Retry, RetryCause
from partners.models import Outcome, Reason, Sync
from partners.why_pending import NO_ANSWER

NO_REASON = "no_reason"
NO_REASON_TEXT: Promise = _("No reason was noted")
# Our own codes, of batches that could not be sent. ("sealed": the token could not be decrypted.)
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
    rest: int = 0  # how many people of this outcome are not counted by reason (there are too many)

    @property
    def is_at_least(self) -> bool:
        """Return whether more people may have this reason than were counted."""
        return self.rest > 0

    @property
    def heading(self) -> Text:
        """Return the outcome in words, and whether people who left are meant."""
        if self.is_removal:
            not_removed = self.outcome == Outcome.NOT_SYNCED
            label = gettext("not removed") if not_removed else self.outcome_label
            return gettext("People who left: %(outcome)s") % {"outcome": label}
        return self.outcome_label

    @property
    def list_name(self) -> str:
        """Return the name of the list of these people (people_lists/numbers.py)."""
        if not self.is_removal:
            return self.outcome
        return f"removed_{'wanted' if self.outcome == Outcome.NOT_SYNCED else self.outcome}"

    @property
    def text(self) -> str:
        """Return the reason in words."""
        if self.is_only_waiting:
            return gettext("Waiting to be sent")
        if self.given_up is not None:
            return gettext("Not accepted by %(partner)s within %(retry_time)s") % self._words
        return reason_text(self.reason, self.partner)

    @property
    def is_only_waiting(self) -> bool:
        """Return whether people are pending, and the partner has not refused them."""
        # Our own codes say why people were errored, not why they wait.
        return self.outcome == Outcome.PENDING and not _is_code_of_partner(self.reason)

    @property
    def given_up(self) -> Retry | None:
        """Return the error that was retried until people were errored; None for other reasons."""
        is_code = self.reason == NO_ANSWER or _is_code_of_partner(self.reason)
        if self.outcome != Outcome.ERRORED or not is_code:
            return None
        error = self.partner.error_of(None if self.reason == NO_ANSWER else self.reason)
        return error if isinstance(error, Retry) else None

    @property
    def _words(self) -> dict[str, str]:
        return {
            "partner": self.partner.label,
            "retry_time": deadlines.delivery_text(),
            "code": self.reason,
        }

    @property
    def help_key(self) -> str:
        """Return the anchor of the reason on the help page."""
        if self.is_only_waiting:
            return Outcome.PENDING
        if not self.reason:
            return NO_REASON
        if not _is_code_of_partner(self.reason):
            return own_key(self.reason) if self.reason in OWN_CODES else self.reason
        return self.partner.error_of(self.reason).cause

    @property
    def outcome_label(self) -> Text:
        """Return the outcome in words."""
        return Outcome(self.outcome).label

    @property
    def advice(self) -> Text:
        """Return what to do; empty if the text of the reason says it."""
        if self.given_up is not None:
            return _advice_to_retry(self.given_up, self._words)
        return ADVICE.get(self.reason, "")


def _advice_to_retry(error: Retry, params: dict[str, str]) -> str:
    if error.cause == RetryCause.UNKNOWN:
        return gettext("%(partner)s gave no clear answer. When it works again, retry.") % params
    last = str(ERRORS[error.cause].title) % params
    text = gettext("Last answer: %(title)s (code %(code)s). When that is over, retry.")
    return text % (params | {"title": last})


def reasons(step: Step) -> list[Why]:
    """Return why people of ``step`` are not synced; the most frequent outcome and reason first.

    The reasons why people who left are not removed come after these.
    """
    return [*_reasons(step, is_removal=False), *_reasons(step, is_removal=True)]


def _reasons(step: Step, *, is_removal: bool) -> list[Why]:
    by_outcome = sync.reasons(syncs_of(step, is_removal=is_removal))
    partner = partner_of(step)
    whys = [
        Why(outcome, reason, n, partner, is_removal, by_outcome.uncounted.get(outcome, 0))
        for outcome, by_reason in by_outcome.items()
        for reason, n in by_reason.items()
        if reason != Reason.MOVED
    ]
    totals: dict[str, int] = {}
    for why in whys:
        totals[why.outcome] = totals.get(why.outcome, 0) + why.n
    return sorted(whys, key=lambda why: (-totals[why.outcome], why.outcome, -why.n))


def partner_of(step: Step) -> Partner:
    """Return the partner that a step sends to."""
    if step.sync is None:
        return registry.default()
    return registry.get(step.sync.audience.ad_account.connection.partner)


def partners_of(syncs: Collection[int]) -> dict[int, Partner]:
    """Return Sync -> the partner that it sends to."""
    if not syncs:
        return {}
    partner_keys = Sync.objects.filter(pk__in=syncs).values_list(
        "pk", "audience__ad_account__connection__partner"
    )
    return {sync: registry.get(name) for sync, name in partner_keys}


def reason_text(reason: str, partner: Partner) -> str:
    """Return a reason or a code of ``partner`` in words."""
    if reason in Reason.values:
        return str(Reason(reason).label)
    if reason in OWN_CODES:
        return str(OWN_CODES[reason]) % {"partner": partner.label}
    if not reason:
        return str(NO_REASON_TEXT)
    return partner.error_of(reason if _is_code_of_partner(reason) else None).sentence()


def own_key(code: str) -> str:
    """Return the anchor of one of OWN_CODES.

    The prefix keeps it apart from a cause of a partner that has the same name.
    """
    return f"own-{code}"


def _is_code_of_partner(reason: str) -> bool:
    return reason not in ("", NO_ANSWER, *Reason.values, *OWN_CODES)


def syncs_of(step: Step, *, is_removal: bool) -> list[int]:
    """Return the Syncs of a step, or those that remove people who left."""
    syncs = Sync.objects.filter(undoes__steps=step) if is_removal else step.syncs
    return list(syncs.order_by("pk").values_list("pk", flat=True))


def all_syncs_of(step: Step) -> list[int]:
    """Return the Syncs of a step and those that remove people who left."""
    return [*syncs_of(step, is_removal=False), *syncs_of(step, is_removal=True)]
