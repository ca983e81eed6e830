"""The settings of a group."""

from collections.abc import Callable
from copy import copy
from datetime import datetime

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audiencesync.groups import access, reauthentication
from audiencesync.groups.forms import GroupForm
from audiencesync.groups.logged_changes import LoggedChange, Value
from audiencesync.groups.models import Activity, AppGroup, Role

OnZoneChange = Callable[[AppGroup, str, datetime], None]  # group, former time zone, now
_on_zone_change: list[OnZoneChange] = []  # empty, or the one function that is set


def provide(on_zone_change: OnZoneChange) -> None:
    """Set the function to call after a group's time zone was changed, before the commit.

    Work that is planned at local times must be moved; only apps above this one know that work.
    """
    _on_zone_change[:] = [on_zone_change]


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


def _save(request: HttpRequest, form: GroupForm) -> None:
    edited, columns, now = form.instance, list(form.changed_data), timezone.now()
    if not columns:
        return
    if form.changes_profiles:
        edited.rework(now=now)  # sets these two columns: the engine will update all profiles
        columns += ["rework_cursor", "rework_again_at"]
    with transaction.atomic():
        rows = AppGroup.objects.filter(pk=edited.pk)
        stored = get_object_or_404(rows.select_for_update(no_key=True))
        # Other columns are not written: staff may have archived the group, or the engine moved the
        # cursor, meanwhile.
        rows.update(**{name: getattr(edited, name) for name in columns})
        if "time_zone" in columns:
            for on_zone_change in _on_zone_change:
                on_zone_change(edited, stored.time_zone, now)
        kind, by, verb = Activity.Kind.GROUP, access.user(request), Activity.Verb.CHANGED
        changes = _changes(stored, edited, form)
        Activity.log(edited, by, verb, edited.name, kind=kind, changes=changes)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def settings(request: HttpRequest, group: str) -> HttpResponse:
    """Show and save the settings of the group."""
    # A copy, because a form puts bad input into its instance: the header shows the stored group.
    app_group = copy(access.group(request, Role.ADMIN))
    form = GroupForm(request.POST or None, instance=app_group)
    if request.method == "POST" and form.is_valid():
        # A switch to hash-only mode deletes the e-mail and the phone of every profile.
        is_confirmed = not form.wipes_identifiers or "sure" in request.POST
        if not is_confirmed and (n_wiped := app_group.profiles.count()):
            context = {"form": form, "n_wiped": n_wiped}
            return render(request, "groups/settings.html", context)
        if form.wipes_identifiers:
            reauthentication.require(request)
        _save(request, form)
        messages.success(request, _("Saved."))
        return redirect("group_settings", group)
    return render(
        request, "groups/settings.html", {"form": form}, status=422 if form.errors else 200
    )
