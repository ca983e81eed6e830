"""The activity log and the settings of a group."""

from collections.abc import Iterable
from copy import copy

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from audiencesync.groups import access, reauthentication
from audiencesync.groups.forms import ActivityFilter, GroupForm
from audiencesync.groups.logged_changes import LoggedChange, Value, masked_email
from audiencesync.groups.models import Activity, AppGroup, Role, User

PER_PAGE = 50


@require_safe
@access.signed_in
def activity(request: HttpRequest, group: str) -> HttpResponse:
    """List the activity log, newest first, filtered by ``verb`` and ``person``."""
    lines = access.all_of(request, Activity)
    form = ActivityFilter(request.GET, people=_people(access.group(request)))
    if form.is_valid():
        lines = _narrow(lines, verb=form.cleaned_data["verb"], person=form.cleaned_data["person"])
    page = Paginator(lines.select_related("actor"), PER_PAGE).get_page(request.GET.get("page"))
    status = 200 if form.is_valid() else 422
    is_filtered = form.is_valid() and any(form.cleaned_data.values())
    if not access.membership(request).may(Role.ADMIN):
        _mask_invited(page)
    context = {"page": page, "form": form, "is_filtered": is_filtered}
    return render(request, "groups/activity.html", context, status=status)


def _mask_invited(lines: Iterable[Activity]) -> None:
    """Mask the addresses of invited persons, which only admins see."""
    for line in lines:
        if line.verb == Activity.Verb.INVITED:
            line.subject = masked_email(line.subject)


def _people(app_group: AppGroup) -> list[tuple[str, str]]:
    """Return choices for the filter: members, and former members in the log."""
    acted = app_group.activities.order_by().values("actor")
    people = User.objects.filter(memberships__app_group=app_group) | User.objects.filter(
        pk__in=acted
    )
    return [(str(person.pk), str(person)) for person in people.distinct().order_by("name", "email")]


def _narrow(lines: QuerySet[Activity], *, verb: str, person: str) -> QuerySet[Activity]:
    if verb:
        lines = lines.filter(verb=verb)
    if person:
        lines = lines.filter(actor__pk=int(person))
    return lines


def _changes(stored: AppGroup, edited: AppGroup, form: GroupForm) -> list[LoggedChange]:
    """Return the changed settings with old and new value."""
    names = form.changed_data
    return [
        (form.fields[name].label or name, _value(stored, name), _value(edited, name))
        for name in names
    ]


def _value(app_group: AppGroup, name: str) -> Value:
    value: Value | list[str] = getattr(app_group, name)
    return ", ".join(value) if isinstance(value, list) else value


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def settings(request: HttpRequest, group: str) -> HttpResponse:
    """Show and save the settings of the group."""
    app_group = copy(
        access.group(request, Role.ADMIN)
    )  # a form puts bad input into its instance; the header keeps the good one
    form = GroupForm(request.POST or None, instance=app_group)
    if request.method == "POST" and form.is_valid():
        if form.wipes and "sure" not in request.POST and (n := app_group.profiles.count()):
            return render(request, "groups/settings.html", {"form": form, "n_wiped": n})
        if form.wipes:
            reauthentication.require(request)
        changes = _changes(access.group(request), app_group, form)
        if form.changes_people:  # the engine updates the stored profiles
            form.instance.rework(now=timezone.now())
        form.save()
        if form.changed_data:
            kind, by = Activity.Kind.GROUP, access.user(request)
            Activity.log(
                app_group, by, Activity.Verb.CHANGED, app_group.name, kind=kind, changes=changes
            )
        messages.success(request, _("Saved."))
        return redirect("group_settings", group)
    return render(
        request, "groups/settings.html", {"form": form}, status=422 if form.errors else 200
    )
