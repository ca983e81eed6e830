"""The page that rehearses one person: it simulates their path through a canvas. It only reads.

The address names the person by our own id. A search is posted, so that no address ever holds an
e-mail, a phone number or an id of a customer. ``take=<step>-<branch>`` in the address: the branch
to follow at a step where later events decide.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from django import forms
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.groups import access
from audiencesync.groups.models import Activity, AppGroup, Role
from audiencesync.people import eligibility, masking
from audiencesync.people.models import Profile
from audiencesync.people.segments import filters
from audiencesync.people.segments.forms import ProfileSearch
from audiencesync.people.views.profiles import SEARCH_SECONDS, search
from canvases import rehearsal
from canvases.models import Canvas
from canvases.rehearsal import Stop
from canvases.steps.rehearsal import RehearsedBranch
from partners.base import Call

MAX_PEOPLE = 20
MAX_CHOICES = 200
HASH_PATTERN = re.compile("[0-9a-f]{64}")
SHOWN_HASH_DIGITS = 8
_TAKE_PATTERN = re.compile("([0-9]{1,18})-([0-9]{1,4})", re.ASCII)
FIRST_YEAR, LAST_YEAR = 2000, 2200

# Sort of person -> label of its link, and text if there is no such person.
PICKS: dict[str, tuple[object, object]] = {
    "typical": (gettext_lazy("A typical one"), gettext_lazy("No one can be sent.")),
    "no_email": (gettext_lazy("One without e-mail"), gettext_lazy("Everybody has an e-mail.")),
    "no_consent": (
        gettext_lazy("One without consent"),
        gettext_lazy("No one is without consent."),
    ),
}


@dataclass(frozen=True, slots=True)
class StopView:
    """A stop with what the page adds to it.

    ``branches``: (branch, query string of the page that follows it, what its steps do).
    ``body``: of the request to the partner. ``identifiers``: (label, masked value).
    """

    stop: Stop
    branches: Sequence[tuple[RehearsedBranch, str, str]]
    body: str
    identifiers: Sequence[tuple[object, str]]


class TimeForm(forms.Form):
    """The time at which the person would enter, in the time zone of the group."""

    at = forms.CharField(
        label=gettext_lazy("Enters at"),
        required=False,
        widget=forms.DateTimeInput({"type": "datetime-local"}),
    )

    def __init__(self, data: QueryDict, *, zone: ZoneInfo, now: datetime) -> None:
        self.zone, self.now = zone, now
        super().__init__({"at": data.get("at", "") or f"{now.astimezone(zone):%Y-%m-%dT%H:%M}"})
        self.is_now = not data.get("at")

    def clean_at(self) -> datetime:
        """Return the time. One that daylight saving time skips moves forward."""
        invalid = forms.ValidationError(_("Give a date and time such as 2026-12-03 14:00."))
        try:
            local = datetime.fromisoformat(self.cleaned_data["at"])
        except ValueError:
            raise invalid from None
        if local.tzinfo or not FIRST_YEAR <= local.year <= LAST_YEAR:
            raise invalid
        return self.now if self.is_now else local.replace(tzinfo=self.zone).astimezone(UTC)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def rehearse(request: HttpRequest, group: str, canvas_id: int) -> HttpResponse:
    """Show the path of a person; a POST only searches. Unmasked views are logged."""
    canvas = access.get(request, Canvas, pk=canvas_id)
    masked = not access.membership(request).may(Role.MARKETER)
    now = timezone.now()
    time = TimeForm(request.GET, zone=ZoneInfo(canvas.app_group.time_zone), now=now)
    context = {"canvas": canvas, "time": time, "is_masked": masked, "picks": PICKS}
    if request.method == "POST":
        return _search_results(request, canvas, context, masked=masked, now=now)
    if (who := request.GET.get("who", "")) in PICKS:
        return _redirect_to_person(request, canvas, who, context)
    is_valid = time.is_valid()
    if person := request.GET.get("person"):
        profile = access.get(request, Profile, pk=person)
        context |= {"person": masking.person(profile, masked=masked)}
        if is_valid:
            context |= _path(request, canvas, profile, time.cleaned_data["at"], masked=masked)
            if not masked:
                _log(request, canvas.app_group, profile.braze_id, Activity.Kind.PERSON, now=now)
    return _page(request, context, status=200 if is_valid else 422)


def _page(request: HttpRequest, context: dict[str, object], *, status: int = 200) -> HttpResponse:
    context = {"search": ProfileSearch()} | context
    return render(request, "canvases/rehearse.html", context, status=status)


def _search_results(
    request: HttpRequest,
    canvas: Canvas,
    context: dict[str, object],
    *,
    masked: bool,
    now: datetime,
) -> HttpResponse:
    """List the people that a search finds."""
    form = ProfileSearch(request.POST)
    own_profiles = access.all_of(request, Profile)
    rows: Sequence[Profile] = []
    if form.is_valid() and form.cleaned_data["q"]:
        text = form.cleaned_data["q"]
        try:
            with at_most(SEARCH_SECONDS):
                matches = search(own_profiles, text, canvas.app_group, masked=masked)
                rows = list(matches.order_by("-pk")[:MAX_PEOPLE])
        except TooSlow:
            form.add_error("q", _("The search took too long and was stopped."))
    if rows and not masked:
        _log(request, canvas.app_group, _("Profiles"), Activity.Kind.PEOPLE, now=now)
    people = [masking.person(profile, masked=masked) for profile in rows]
    context |= {"search": form, "people": people, "is_search": True}
    return _page(request, context, status=422 if form.errors else 200)


def _log(request: HttpRequest, group: AppGroup, subject: str, kind: str, *, now: datetime) -> None:
    Activity.log_view(group, access.user(request), subject, kind=kind, now=now)


def _redirect_to_person(
    request: HttpRequest, canvas: Canvas, who: str, context: dict[str, object]
) -> HttpResponse:
    """Redirect to the rehearsal of a person of the sort ``who``, one of PICKS."""
    pk = None
    try:
        with at_most(SEARCH_SECONDS):
            pk = _people(canvas).filter(_pick_q(who, canvas.app_group)).order_by("pk").first()
    except (TooSlow, filters.FilterError):
        context |= {"no_person": _("Reading the people took too long. Search for one instead.")}
    if pk is None:
        # The text that a slow search has set above takes precedence.
        return _page(request, {"no_person": PICKS[who][1]} | context)
    params = request.GET.copy()
    del params["who"]
    params["person"] = str(pk)
    return redirect(f"{request.path}?{params.urlencode()}")


def _people(canvas: Canvas) -> QuerySet[Profile, int]:
    """Return the ids of the people in the entry segment; of all people if there is none."""
    people = (
        filters.members(canvas.segment)
        if canvas.segment is not None
        else Profile.objects.filter(app_group=canvas.app_group_id)
    )
    return people.values_list("pk", flat=True)


def _pick_q(who: str, group: AppGroup) -> Q:
    """Return the condition on the people of a sort, one of PICKS."""
    refused = eligibility.no_consent(is_strict=group.consent_required).q
    if who == "no_consent":
        return refused
    if who == "no_email":
        return Q(email="", email_sha256=None)
    return Q(email_sha256__isnull=False) & ~refused


def _path(
    request: HttpRequest, canvas: Canvas, profile: Profile, at: datetime, *, masked: bool
) -> dict[str, object]:
    chosen = _choices(request.GET)
    person_path = rehearsal.of_person(canvas, profile, at=at, chosen=chosen, masked=masked)
    return {
        "rehearsal": person_path,
        "stops": [_stop_view(request, stop, profile, masked) for stop in person_path.stops],
        "chosen": [f"{step}-{branch}" for step, branch in chosen.items()],
    }


def _stop_view(request: HttpRequest, stop: Stop, profile: Profile, masked: bool) -> StopView:
    sending = stop.result.sending
    call = sending and sending.call
    return StopView(
        stop,
        [
            (branch, _link(request.GET, stop, branch), stop.branch_previews[branch.number])
            for branch in stop.result.branches
        ],
        _body(call, masked=masked) if call else "",
        [
            (masking.LABELS[kind], masking.identifier_text(profile, kind, masked=True))
            for kind in (sending.kinds if sending else ())
        ],
    )


def _link(params: QueryDict, stop: Stop, branch: RehearsedBranch) -> str:
    """Return the query string that follows another branch; empty where nothing can be chosen."""
    if stop.result.wait_ends_at is None:  # conditions decide, not later events
        return ""
    params = params.copy()
    other_choices = [
        choice for choice in params.getlist("take") if not choice.startswith(f"{stop.step.pk}-")
    ]
    # The branch that is shown by default needs no ``take``.
    params.setlist(
        "take",
        [*other_choices, f"{stop.step.pk}-{branch.number}"]
        if branch.is_undecided
        else other_choices,
    )
    return f"?{params.urlencode()}"


def _body(call: Call, *, masked: bool) -> str:
    """Return the body of a request to the partner; viewers see the beginnings of hashes."""
    body = call.body.decode()
    return (
        HASH_PATTERN.sub(lambda match: f"{match[0][:SHOWN_HASH_DIGITS]}…", body) if masked else body
    )


def _choices(params: QueryDict) -> dict[int, int]:
    """Return step -> branch, as the address names them. Malformed values are ignored."""
    matches = map(_TAKE_PATTERN.fullmatch, params.getlist("take")[:MAX_CHOICES])
    return {int(match[1]): int(match[2]) for match in matches if match}
