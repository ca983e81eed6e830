"""The settings of a group."""

from copy import copy

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from audiencesync.groups import access, reauthentication
from audiencesync.groups.forms import GroupForm
from audiencesync.groups.logged_changes import LoggedChange, Value
from audiencesync.groups.models import Activity, AppGroup, Role


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
