"""The first steps of a new app group. Derived from the data, never stored."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audiencesync.groups.models import Membership, Role
from canvases.models import Canvas
from partners import registry
from partners.models import AdAccount, Connection

MAX_COUNTED = 10_000  # profiles: they are counted for a line of text


@dataclass(frozen=True, slots=True)
class FirstStep:
    """A line of the list. ``url`` is empty if the member's role does not allow the step."""

    title: str
    fact: str
    button: str
    url: str
    is_done: bool
    is_next: bool = False


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """The four steps in their order."""

    steps: list[FirstStep]

    @property
    def n_done(self) -> int:
        """Return how many are done."""
        return sum(step.is_done for step in self.steps)


def of_member(membership: Membership) -> FirstSteps | None:
    """Return the list of a group, with the buttons that its member may use.

    Return None once a canvas was launched. A constant number of queries.
    """
    app_group = membership.app_group
    canvases = Canvas.objects.filter(app_group=app_group)
    if canvases.exclude(launched_at=None).exists():
        return None
    draft = canvases.filter(
        state=Canvas.State.DRAFT, steps__removed_at=None, steps__isnull=False
    ).first()
    steps = [
        _connect(membership),
        _people(membership),
        _canvas(membership, draft),
        _launch(membership, draft),
    ]
    upcoming = next((step for step in steps if not step.is_done), None)
    return FirstSteps([_as_next(step) if step is upcoming else step for step in steps])


def _as_next(step: FirstStep) -> FirstStep:
    return FirstStep(step.title, step.fact, step.button, step.url, step.is_done, is_next=True)


def _connect(membership: Membership) -> FirstStep:
    group = membership.app_group
    is_done = Connection.objects.filter(app_group=group).exclude(token_sealed="").exists()
    n = (
        AdAccount.objects.filter(connection__app_group=group, is_chosen=True).count()
        if is_done
        else 0
    )
    done = ngettext("Connected with %(n)s ad account.", "Connected with %(n)s ad accounts.", n) % {
        "n": n
    }
    for_others = _("An admin of this app group has to connect it.")
    may = membership.may(Role.ADMIN)
    partner = registry.default()
    params = {"partner": partner.label}
    url = reverse("partner", args=[group.slug, partner.key])
    return FirstStep(
        title=_("Connect %(partner)s") % params,
        fact=done if is_done else str(partner.requirement) if may else for_others,
        button=_("Show") if is_done else _("Connect %(partner)s") % params,
        url=url if may or is_done else "",
        is_done=is_done,
    )


def _people(membership: Membership) -> FirstStep:
    group, may = membership.app_group, membership.may(Role.MARKETER)
    n = group.profiles.order_by().values("pk")[: MAX_COUNTED + 1].count()
    params = {"n": number_format(min(n, MAX_COUNTED))}
    counted = ngettext("%(n)s profile is here.", "%(n)s profiles are here.", n) % params
    fact = _("More than %(n)s profiles are here.") % params if n > MAX_COUNTED else counted
    url = reverse("profiles" if n else "import_new", args=[group.slug])
    return FirstStep(
        title=_("Bring people in"),
        fact=fact if n else _("Upload a CSV file, or let your shop send them through the API."),
        button=_("Profiles") if n else _("Import people"),
        url=url if n or may else "",
        is_done=n > 0,
    )


def _canvas(membership: Membership, draft: Canvas | None) -> FirstStep:
    group, may = membership.app_group, membership.may(Role.MARKETER)
    new = reverse("canvas_new", args=[group.slug]) if may else ""
    return FirstStep(
        title=_("Build your first canvas"),
        fact=draft.name
        if draft
        else _("Choose a segment, then the audience that its people are added to."),
        button=_("Open") if draft else _("New canvas"),
        url=draft.get_absolute_url() if draft else new,
        is_done=draft is not None,
    )


def _launch(membership: Membership, draft: Canvas | None) -> FirstStep:
    may = membership.may(Role.MARKETER) and draft is not None
    return FirstStep(
        title=_("Launch it"),
        fact=_("You see first who would be sent and who would not."),
        button=_("Launch"),
        url=f"{draft.get_absolute_url()}?launch=1" if draft and may else "",
        is_done=False,
    )
