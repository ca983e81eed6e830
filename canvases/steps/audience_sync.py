"""The Audience Sync step: adds people to an audience at a partner, or removes them. The one step that speaks to partners."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.groups.models import User
from audiencesync.people.segments import filters
from audiencesync.people.segments.coverage import coverage
from canvases.steps import former
from canvases.steps.audience_form import FIELD_NAMES, SMALL_AUDIENCE, AudienceSyncForm
from canvases.steps.base import Problem, StepForm, Text
from partners import audiences, sync, waiting
from partners.audiences import AudienceNameError, creation
from partners.connections import problems
from partners.errors import PartnerError
from partners.forecast import forecast
from partners.models import Action, AdAccount, Audience, Connection, Sync

if TYPE_CHECKING:
    from audiencesync.people.models import Profile
    from canvases.models import Canvas, Step, Visit

SMALL = 1_000


class AudienceSync:
    """See the module."""

    key = "audience_sync"
    label: Text = _("Audience Sync")
    help: Text = _("Adds people to a TikTok audience, or removes them from it.")
    icon = "brand-tiktok"
    template = "canvases/steps/audience_sync.html"
    sends = True
    form: type[StepForm] = AudienceSyncForm

    def summary(self, step: Step) -> Text:
        """Such as: Add to "winback"."""
        if step.sync is None:
            return gettext("Not set up yet")
        return former.asked(step.sync)

    def problems(self, step: Step, *, now: datetime) -> Sequence[Problem]:
        """What is missing, or the first thing that stands in the way of the step's Sync; and what stands in the way of
        people who wait for what it asked before."""
        if step.removed_at is not None:
            return _of_former(step, now=now)
        if step.sync is None:
            return [
                *_not_connected(step),
                *(Problem(text, field=field) for field, text in MISSING.items()),
            ]
        found = problems.of_sync(step.sync, now=now) or waiting.of_sync(step.sync, now=now)
        if found is None:
            return _of_former(step, now=now)
        is_danger = found.severity is problems.Severity.DANGER
        mine = Problem(
            found.text,
            blocks_launch=is_danger,
            url=found.url,
            short=found.short,
            is_passing=not is_danger,
        )
        return [mine, *_of_former(step, now=now)]

    def warnings(self, step: Step, *, now: datetime) -> Sequence[Problem]:
        """Fields nobody has, audiences too small to be used. Who will be sent is foretold (`foretell`)."""
        segment = step.canvas.segment
        if step.sync is None or segment is None:
            return []
        is_strict = step.canvas.app_group.consent_required
        found = coverage(filters.members(segment), step.sync.kinds, is_strict=is_strict)
        nobody = gettext("Nobody in the segment has this field today: %(field)s.")
        texts = [
            ("kinds", nobody % {"field": FIELD_NAMES[kind]})
            for kind in step.sync.kinds
            if not found.by_kind[kind]
        ]
        is_small = (step.sync.audience.size or 0) < SMALL
        if is_small and step.sync.action == Action.REMOVE:
            texts.append(("action", str(SMALL_AUDIENCE)))
        elif is_small and found.addable < SMALL:
            texts.append(("kinds", str(FEW)))
        return [Problem(text, blocks_launch=False, field=field) for field, text in texts]

    def foretell(self, step: Step, people: QuerySet[Profile]) -> Text:
        """How many would be sent and how many not, judged as the queue judges them."""
        return forecast(people, step.sync).text if step.sync is not None else ""

    def first_settings(self) -> dict[str, Any]:
        """Nothing is chosen yet."""
        return {}

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the ad account, the audience, the action and each field."""
        return [
            (
                _("Ad account"),
                _name(AdAccount, before, "ad_account"),
                _name(AdAccount, after, "ad_account"),
            ),
            (
                _("Audience"),
                _name(Audience, before, "audience"),
                _name(Audience, after, "audience"),
            ),
            (_("Action"), _action(before), _action(after)),
            *(
                (label, field in before.get("kinds", []), field in after.get("kinds", []))
                for field, label in FIELD_NAMES.items()
            ),
        ]

    def saved(self, step: Step) -> None:
        """Give the step the Sync its settings ask for. One that was used is never edited: another follows it."""
        if not step.settings:
            return
        wanted = {key: step.settings[name] for key, name in WISH.items()}
        mine = step.sync
        if mine and all(getattr(mine, key) == value for key, value in wanted.items()):
            pass
        elif mine and not mine.is_used:
            Sync.objects.filter(pk=mine.pk).update(**wanted)
            step.sync = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=mine.pk)
        else:
            state = step.canvas.state
            step.sync = Sync.objects.create(
                app_group_id=step.canvas.app_group_id,
                is_live=state == "live",
                paused=state == "stopped",
                **wanted,
            )
            step.syncs.update(
                is_live=False
            )  # what was asked before concerns only people who still wait for it
            step.syncs.add(step.sync)
            step.save(update_fields=["sync"])
        _say_who_asks(step)

    def launched(self, canvas: Canvas) -> None:
        """Adds flow, and a problem at the partner shows."""
        mine = Sync.objects.filter(steps__canvas=canvas)
        sync.resume(mine)
        asked = canvas.steps.filter(removed_at=None, sync__isnull=False).values("sync")
        mine.exclude(pk__in=asked).update(is_live=False)

    def stopped(self, canvas: Canvas) -> None:
        """Adds wait, removals flow on."""
        sync.pause(Sync.objects.filter(steps__canvas=canvas))

    def due_on_arrival(self, step: Step, *, now: datetime) -> datetime:
        """At once."""
        return now

    def act(self, step: Step, crowd: QuerySet[Visit], *, now: datetime) -> None:
        """Queue the crowd for the partner; everybody goes on at once, whatever becomes of it."""
        if step.sync is not None:
            sync.enqueue(step.sync, crowd.values_list("pk", "profile_id"), now=now)


def _say_who_asks(step: Step) -> None:
    """On each of the step's Syncs, for those who look at them from a partner: canvas and audience, and the way back."""
    url = f"{step.canvas.get_absolute_url()}?step={step.pk}"
    for pk, audience in step.syncs.values_list("pk", "audience__name"):
        Sync.objects.filter(pk=pk).update(label=f"{step.canvas.name}: {audience}"[:200], url=url)


def _of_former(step: Step, *, now: datetime) -> list[Problem]:
    """What stands in the way of people who wait for what the step asked before."""
    waiting = (
        (one, problems.of_former(one, one.tally.pending, now=now)) for one in former.of(step)
    )
    url = f"{step.canvas.get_absolute_url()}?former={step.pk}#panel"
    return [
        Problem(found.text, blocks_launch=False, url=url, short=found.short)
        for _one, found in waiting
        if found
    ]


def _name(model: Any, settings: dict[str, Any], field: str) -> str | None:
    found: str | None = (
        model.objects.filter(pk=settings.get(field)).values_list("name", flat=True).first()
    )
    return found


def _action(settings: dict[str, Any]) -> Text | None:
    value = settings.get("action")
    return Action(value).label if value else None


WISH = {"audience_id": "audience", "action": "action", "kinds": "kinds"}
MISSING: dict[str, Text] = {
    "ad_account": _("Choose an ad account."),
    "audience": _("Choose or create an audience."),
    "kinds": _("Choose at least one field to match."),
}
FEW: Text = _(
    "Fewer than 1,000 people can be sent today. TikTok shows a size and serves ads from about 1,000 matched people."
)


def _not_connected(step: Step) -> list[Problem]:
    group = step.canvas.app_group
    if (
        Connection.objects.filter(app_group=group, partner="tiktok")
        .exclude(token_sealed="")
        .exists()
    ):
        return []
    url = reverse("partner", args=[group.slug, "tiktok"])
    return [
        Problem(
            _("TikTok is not connected. An admin of this app group has to connect it."), url=url
        )
    ]


def create_audience(
    form: AudienceSyncForm, *, by: User, now: datetime
) -> tuple[Audience | None, str]:
    """Create the audience named in ``form`` at the partner; once, however often it is asked. Or say why it was not."""
    account = form.ad_account_chosen
    if account is None:
        return None, gettext("Choose an ad account.")
    try:
        return creation.create(account, form.typed_name, by=by, now=now), ""
    except (AudienceNameError, PartnerError) as error:
        return None, error.sentence()


def refresh_choices(form: AudienceSyncForm, *, now: datetime) -> str:
    """Read the audiences of the form's ad account from the partner, at most once a minute. Answers what went wrong."""
    if form.ad_account_chosen is None:
        return ""
    try:
        audiences.refresh(form.ad_account_chosen, now=now)
    except PartnerError as error:
        return error.sentence()
    return ""
