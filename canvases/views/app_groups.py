"""App groups, for staff: list, create, invite the first admin, archive, restore, delete."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import htmx
from audiencesync.groups import access, members, reauthentication
from audiencesync.groups.first_start.forms import NewGroupForm, RenameForm, slug_taken_error
from audiencesync.groups.forms import InvitationForm
from audiencesync.groups.models import Activity, AppGroup, Role
from audiencesync.groups.views.members import count_against_limit, pop_link, send_invitation
from audiencesync.people.models import Profile
from canvases.models import Canvas
from canvases.privacy import group_deletion
from partners.models import Audience

LINK_KEY = "staff_invitation_link"  # session key: shown once, if the mail could not be sent
MAX_NAMES = 20


@require_safe
@access.signed_in
def groups(request: HttpRequest) -> HttpResponse:
    """List all app groups, archived ones last."""
    access.staff(request)
    live = Count("canvases", distinct=True, filter=Q(canvases__state=Canvas.State.LIVE))
    admins = Count("memberships", distinct=True, filter=Q(memberships__role=Role.ADMIN))
    rows = AppGroup.objects.annotate(
        n_members=Count("memberships", distinct=True), n_admins=admins, n_live=live
    ).order_by(F("archived_at").asc(nulls_first=True), "name")
    return render(request, "staff/groups.html", {"groups": rows})


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def new(request: HttpRequest) -> HttpResponse:
    """Create an app group. Its first admin is invited on the next page."""
    user = access.staff(request)
    form = NewGroupForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(
            request, "staff/group_new.html", {"form": form}, status=422 if form.errors else 200
        )
    try:
        with transaction.atomic():
            group = form.save()
            verb, kind = Activity.Verb.CREATED, Activity.Kind.GROUP
            Activity.log(group, user, verb, group.name, kind=kind)
    except IntegrityError:  # another request took the address since the form was checked
        form.add_error("slug", slug_taken_error())
        return render(request, "staff/group_new.html", {"form": form}, status=422)
    messages.success(
        request, _("The app group is there. Now invite its first admin, or become it yourself.")
    )
    return redirect("staff_group", group.slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def group(request: HttpRequest, slug: str) -> HttpResponse:
    """Show an app group with its admins and an invitation form; POST renames it."""
    user, row = access.staff(request), get_object_or_404(AppGroup, slug=slug)
    form = RenameForm(request.POST or None, instance=AppGroup.objects.get(pk=row.pk))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            # No other columns: the group may be archived or deleted at the same time.
            name = form.instance.name
            if AppGroup.objects.filter(pk=row.pk).exclude(name=name).update(name=name):
                verb, kind = Activity.Verb.CHANGED, Activity.Kind.GROUP
                Activity.log(row, user, verb, f"{row.name} → {name}", kind=kind)
        messages.success(request, _("Saved."))
        return redirect("staff_group", slug)
    return _page(request, row, form=form, status=422 if form.errors else 200)


def _page(
    request: HttpRequest, row: AppGroup, *, status: int = 200, **forms_of_page: Any
) -> HttpResponse:
    context = {
        "group": row,
        "admins": row.memberships.filter(role=Role.ADMIN)
        .select_related("user")
        .order_by("user__email"),
        "is_member": row.memberships.filter(user=access.user(request)).exists(),
        "form": RenameForm(instance=row),
        "invite": InvitationForm(app_group=row, initial={"role": Role.ADMIN}),
        "link": pop_link(request, row, kept_as=LINK_KEY),
    }
    return render(request, "staff/group.html", context | forms_of_page, status=status)


@require_POST
@access.signed_in
def invite(request: HttpRequest, slug: str) -> HttpResponse:
    """Invite an admin, or become one without a mail."""
    user, row = access.staff(request), get_object_or_404(AppGroup, slug=slug, archived_at=None)
    if "myself" in request.POST:
        reauthentication.require(request)
        members.join(row, user, Role.ADMIN, now=timezone.now())
        return redirect("group", slug)
    data = request.POST.copy()
    data["role"] = Role.ADMIN
    form = InvitationForm(data, app_group=row)
    if not form.is_valid():
        return _page(request, row, status=422, invite=form)
    reauthentication.require(request)
    if count_against_limit(row, form):
        return _page(request, row, status=429, invite=form)
    send_invitation(request, row, form.cleaned_data, keep_as=LINK_KEY)
    return redirect("staff_group", slug)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def archive(request: HttpRequest, slug: str) -> HttpResponse:
    """Confirm, then archive the group and stop its canvases."""
    user, row = access.staff(request), get_object_or_404(AppGroup, slug=slug)
    if request.method != "POST":
        template = "staff/group_archive.html" + ("#question" if htmx.asks(request) else "")
        return render(request, template, {"group": row, "live": _live_canvases(row)})
    reauthentication.require(request)
    if group_deletion.archive(row, by=user, now=timezone.now()):
        messages.success(request, _("%(group)s is archived.") % {"group": row.name})
    return redirect("staff_group", slug)


@require_POST
@access.signed_in
def restore(request: HttpRequest, slug: str) -> HttpResponse:
    """Restore an archived group."""
    user, row = access.staff(request), get_object_or_404(AppGroup, slug=slug)
    if group_deletion.restore(row, by=user):
        messages.success(
            request,
            _("%(group)s is back. Its canvases stay stopped until a member launches them.")
            % {"group": row.name},
        )
    else:
        messages.error(request, _("A group that is being deleted cannot be brought back."))
    return redirect("staff_group", slug)


class _TypedName(forms.Form):
    """The name of the group, typed to confirm the deletion."""

    name = forms.CharField(
        label=gettext_lazy("Type the name of the group to delete it"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, group_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group_name = group_name

    def clean_name(self) -> str:
        """Require the same name, apart from surrounding spaces."""
        if self.cleaned_data["name"].strip() != self.group_name.strip():
            raise forms.ValidationError(_("This is not the name of the group."))
        return self.group_name


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def delete(request: HttpRequest, slug: str) -> HttpResponse:
    """List what is deleted, ask for the name, then schedule the deletion."""
    user, row = access.staff(request), get_object_or_404(AppGroup, slug=slug)
    form = _TypedName(request.POST if request.method == "POST" else None, group_name=row.name)
    if not form.is_valid():
        context = {"group": row, "form": form, **_deletion_summary(row)}
        return render(
            request, "staff/group_delete.html", context, status=422 if form.errors else 200
        )
    reauthentication.require(request)
    group_deletion.delete(row, by=user, now=timezone.now())
    messages.success(
        request,
        _("%(group)s is being deleted. It goes once its people are out of every audience.")
        % {"group": row.name},
    )
    return redirect("staff_groups")


def _live_canvases(row: AppGroup) -> list[Canvas]:
    return list(row.canvases.filter(state=Canvas.State.LIVE).order_by("name")[:MAX_NAMES])


def _deletion_summary(row: AppGroup) -> dict[str, Any]:
    audiences = Audience.objects.filter(
        ad_account__connection__app_group=row, syncs__isnull=False
    ).distinct()
    return {
        "n_people": Profile.everybody.filter(app_group=row, erased_at=None).count(),
        "n_members": row.memberships.count(),
        "n_keys": row.api_keys.count(),
        "n_segments": row.segments.count(),
        "canvases": list(row.canvases.order_by("name")[:MAX_NAMES]),
        "n_more_canvases": max(0, row.canvases.count() - MAX_NAMES),
        "audiences": list(audiences.order_by("name")[:MAX_NAMES]),
        "n_more_audiences": max(0, audiences.count() - MAX_NAMES),
    }
