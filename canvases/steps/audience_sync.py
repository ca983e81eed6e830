"""The Audience Sync step: adds people to an audience at a partner, or removes them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import Q, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audiencesync.core import partner_names
from audiencesync.groups.logged_changes import LoggedChange
from audiencesync.groups.models import User
from audiencesync.people.segments import filters
from audiencesync.people.segments.uses.coverage import coverage
from canvases.models import Step
from canvases.steps import former_syncs
from canvases.steps.audience_form import FIELD_NAMES, AudienceSyncForm, connect_url, small_audience
from canvases.steps.base import StepKind, StepProblem, Text
from canvases.steps.rehearsal import Person, Rehearsed
from partners import audiences, registry, sync, why_pending
from partners.audiences import AudienceNameError, creation
from partners.base import Partner
from partners.connections import problems
from partners.errors import PartnerError
from partners.forecast import forecast
from partners.models import Action, AdAccount, Audience, Connection, Sync

if TYPE_CHECKING:
    from audiencesync.people.models import Profile
    from canvases.models import Canvas, Visit


class AudienceSync(StepKind):
    """Add people to a partner's audience or remove them. The only kind that sends anything."""

    key = "audience_sync"
    label = _("Audience Sync")
    help = partner_names.fill(_("Adds people to a %(partner)s audience, or removes them from it."))
    icon = registry.default().icon
    template = "canvases/steps/audience_sync.html"
    form = AudienceSyncForm
    sends = True

    def summary(self, step: Step) -> Text:
        """Return text such as: Add to "winback"."""
        if step.sync is None:
            return gettext("Not set up yet")
        if step.settings.get("removes"):
            return gettext("%(asked)s, and remove when they leave") % {
                "asked": former_syncs.label(step.sync)
            }
        return former_syncs.label(step.sync)

    def icon_of(self, step: Step) -> str:
        """Return the icon of the partner."""
        return _partner(step.sync).icon if step.sync else self.icon

    def partners_of(self, step: Step) -> Sequence[Partner]:
        """Return the partner; all of them while no audience is chosen."""
        return [_partner(step.sync)] if step.sync else registry.PARTNERS

    def problems(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Return missing settings, or the worst problem of the Sync; then those of former Syncs."""
        if step.removed_at is not None:
            return _former_problems(step)
        if step.sync is None:
            missing = [StepProblem(text, field=field) for field, text in MISSING_SETTINGS.items()]
            return [*_not_connected(step), *missing]
        worst = problems.of_sync(step.sync)
        if worst is None and former_syncs.has_people(step):
            worst = why_pending.of_sync(step.sync, now=now)
        if worst is None:
            return _former_problems(step)
        is_danger = worst.severity is problems.Severity.DANGER
        current = StepProblem(
            worst.text,
            blocks_launch=is_danger,
            url=worst.url,
            short=worst.short,
            is_passing=not is_danger,
            button=worst.button,
        )
        return [current, *_former_problems(step)]

    def is_set_up(self, step: Step) -> bool:
        """Return whether an audience is chosen."""
        return step.sync_id is not None

    def warnings(self, step: Step, *, now: datetime) -> Sequence[StepProblem]:
        """Warn of fields that no profile of the segment has, and of audiences too small for ads."""
        segment = step.canvas.segment
        if step.sync is None or segment is None:
            return []
        is_strict = step.canvas.app_group.consent_required
        in_segment = coverage(filters.members(segment), step.sync.kinds, is_strict=is_strict)
        missing = gettext("No one in the segment has this field today: %(field)s.")
        texts = [
            ("kinds", missing % {"field": FIELD_NAMES[kind]})
            for kind in step.sync.kinds
            if not in_segment.by_kind[kind]
        ]
        partner = _partner(step.sync)
        is_small = (step.sync.audience.size or 0) < partner.smallest_audience
        if is_small and step.sync.action == Action.REMOVE:
            texts.append(("action", small_audience([partner])))
        elif is_small and in_segment.addable < partner.smallest_audience:
            texts.append(("kinds", _too_few_text(partner)))
        return [StepProblem(text, blocks_launch=False, field=field) for field, text in texts]

    def forecast(self, step: Step, people: QuerySet[Profile]) -> Text:
        """Return how many the queue would send and how many not, by the queue's own rules."""
        return forecast(people, step.sync).text if step.sync is not None else ""

    def changes(self, before: dict[str, Any], after: dict[str, Any]) -> Sequence[LoggedChange]:
        """Return the ad account, the audience, the action, the removal and each field."""
        fields = [
            (label, field in before.get("kinds", []), field in after.get("kinds", []))
            for field, label in FIELD_NAMES.items()
        ]
        names = [
            (label, _name(model, before, field), _name(model, after, field))
            for label, model, field in LOGGED_ROWS
        ]
        removes = (
            AudienceSyncForm.base_fields["removes"].label or "",
            before.get("removes", False),
            after.get("removes", False),
        )
        return [*names, (_("Action"), _action(before), _action(after)), removes, *fields]

    def on_saved(self, step: Step) -> None:
        """Give the step the Sync that its settings describe.

        A Sync that has deliveries is never changed: the step gets a new one, and the former one
        only serves the deliveries that are still pending in it.
        """
        if not step.settings:
            return
        columns = _sync_columns(step)
        current = step.sync
        if current and all(getattr(current, name) == value for name, value in columns.items()):
            pass  # the Sync stays; only its labels are written, as names may have changed
        elif current and not current.is_used:
            Sync.objects.filter(pk=current.pk).update(**columns)
            step.sync = Sync.objects.select_related(problems.SYNC_RELATED).get(pk=current.pk)
        else:
            _replace_sync(step, columns)
        _label_syncs(step)

    def on_copied(self, steps: Sequence[Step]) -> None:
        """Give each step that is set up an unused Sync of its own. The canvas is not live."""
        set_up = [step for step in steps if step.settings]
        names = dict(
            Audience.objects.filter(
                pk__in={step.settings["audience"] for step in set_up}
            ).values_list("pk", "name")
        )
        syncs = Sync.objects.bulk_create(
            [
                Sync(
                    app_group_id=step.canvas.app_group_id,
                    label=_label(step, names[step.settings["audience"]]),
                    url=_url(step),
                    paused=step.canvas.state == "stopped",
                    **_sync_columns(step),
                )
                for step in set_up
            ]
        )
        links = []
        for step, step_sync in zip(set_up, syncs, strict=True):
            step.sync = step_sync
            links.append(Step.syncs.through(step=step, sync=step_sync))
        Step.syncs.through.objects.bulk_create(links)
        Step.objects.bulk_update(set_up, ["sync"])

    def on_launched(self, canvas: Canvas) -> None:
        """Resume all Syncs of the canvas; former ones go on without showing problems."""
        syncs = Sync.objects.filter(steps__canvas=canvas)
        sync.resume(syncs)
        current = canvas.steps.filter(removed_at=None, sync__isnull=False).values("sync")
        sync.retire(syncs.exclude(pk__in=current))

    def on_stopped(self, canvas: Canvas) -> None:
        """Pause adds; removals go on."""
        sync.pause(Sync.objects.filter(steps__canvas=canvas))

    def rehearse(self, step: Step, person: Person, *, now: datetime) -> Rehearsed:
        """Return what would be sent of the person, by the queue's own rules."""
        if step.sync is None:
            return Rehearsed(now, doubt=_("Not set up yet: nothing would be sent."))
        return Rehearsed(now, sending=person.entering(step.sync))

    def act(self, step: Step, visits: QuerySet[Visit], *, now: datetime) -> None:
        """Enqueue the visits. They move on at once and do not wait for the partner's answer."""
        if step.sync is not None:
            sync.enqueue(step.sync, visits.values_list("pk", "profile_id"), now=now)


def _replace_sync(step: Step, columns: dict[str, Any]) -> None:
    state = step.canvas.state
    step.sync = Sync.objects.create(
        app_group_id=step.canvas.app_group_id,
        is_live=state == "live",
        paused=state == "stopped",
        **columns,
    )
    sync.retire(step.syncs.all())
    step.syncs.add(step.sync)
    step.save(update_fields=["sync"])


def _label_syncs(step: Step) -> None:
    """Write the canvas, the audience and a link to the step into each Sync, for partners' pages."""
    for pk, audience in step.syncs.values_list("pk", "audience__name"):
        Sync.objects.filter(Q(pk=pk) | Q(undoes=pk)).update(
            label=_label(step, audience), url=_url(step)
        )


def _label(step: Step, audience: str) -> str:
    return f"{step.canvas.name}: {audience}"[:200]


def _url(step: Step) -> str:
    return f"{step.canvas.get_absolute_url()}?step={step.pk}"


def _sync_columns(step: Step) -> dict[str, Any]:
    """Return the columns of the Sync that the settings describe."""
    return {column: step.settings[name] for column, name in SETTINGS_OF_SYNC.items()}


def _former_problems(step: Step) -> list[StepProblem]:
    """Return the problems of former Syncs in which people are pending, to be added or removed."""
    problem_list = (
        problems.of_former(former, n) for former, n in former_syncs.n_on_their_way(step)
    )
    url = f"{step.canvas.get_absolute_url()}?former={step.pk}#panel"
    return [
        StepProblem(
            problem.text,
            blocks_launch=False,
            url=url,
            short=problem.short,
            button=_("Decide about the people who wait"),
        )
        for problem in problem_list
        if problem
    ]


def _name(model: Any, settings: dict[str, Any], field: str) -> str | None:
    """Return the name of the row whose id is in a setting; None without one."""
    name: str | None = (
        model.objects.filter(pk=settings.get(field)).values_list("name", flat=True).first()
    )
    return name


def _action(settings: dict[str, Any]) -> Text | None:
    value = settings.get("action")
    return Action(value).label if value else None


LOGGED_ROWS = ((_("Ad account"), AdAccount, "ad_account"), (_("Audience"), Audience, "audience"))
SETTINGS_OF_SYNC = {"audience_id": "audience", "action": "action", "kinds": "kinds"}
MISSING_SETTINGS: dict[str, Text] = {
    "ad_account": _("Choose an ad account."),
    "audience": _("Choose or create an audience."),
    "kinds": _("Choose at least one field to match."),
}


def _not_connected(step: Step) -> list[StepProblem]:
    group = step.canvas.app_group
    if Connection.objects.filter(app_group=group).exclude(token_sealed="").exists():
        return []
    text = gettext("%(partner)s is not connected. An admin of this app group has to connect it.")
    text %= {"partner": registry.names()}
    return [StepProblem(text, url=connect_url(group.slug), button=_("Open the partner page"))]


def _partner(row: Sync) -> Partner:
    return audiences.partner_of(row.audience.ad_account)


def _too_few_text(partner: Partner) -> str:
    text = gettext(
        "Fewer than %(min)s people can be sent today. "
        "%(partner)s shows a size and serves ads from about %(min)s matched people."
    )
    return text % {"partner": partner.label, "min": number_format(partner.smallest_audience)}


def create_audience(
    form: AudienceSyncForm, *, by: User, now: datetime
) -> tuple[Audience | None, str]:
    """Create the audience named in ``form`` at the partner. Return it, or None and an error text.

    Idempotent: a repeated call returns the same audience.
    """
    account = form.ad_account_chosen
    if account is None:
        return None, gettext("Choose an ad account.")
    try:
        return creation.create(account, form.typed_name, by=by, now=now), ""
    except (AudienceNameError, PartnerError) as error:
        return None, error.sentence()


def refresh_choices(form: AudienceSyncForm, *, now: datetime) -> str:
    """Read the audiences of the form's ad account from the partner, at most once a minute.

    Return an error text; empty if all went well.
    """
    if form.ad_account_chosen is None:
        return ""
    try:
        audiences.refresh(form.ad_account_chosen, now=now)
    except PartnerError as error:
        return error.sentence()
    return ""
