"""The members page: who is here, invite, change a role, remove."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.groups import access, invitations
from audiencesync.groups import members as domain
from audiencesync.groups.forms import InvitationForm, RoleForm
from audiencesync.groups.models import AppGroup, Invitation, Membership, Role

LINK = "invitation_link"  # session key: shown once on the page after inviting


@require_safe
@access.signed_in
def members(request: HttpRequest, group: str) -> HttpResponse:
    """Everybody in the group; admins also see who is invited."""
    app_group = access.group(request)
    return _page(request, app_group, InvitationForm(app_group=app_group))


def _page(request: HttpRequest, app_group: AppGroup, form: InvitationForm, status: int = 200) -> HttpResponse:
    people = access.all_of(request, Membership).select_related("user").order_by("user__name", "user__email")
    is_admin = access.membership(request).may(Role.ADMIN)
    context = {
        "members": people,
        "roles": Role.choices,
        "form": form,
        "pending": invitations.pending(app_group, now=timezone.now()) if is_admin else [],
        "link": request.session.pop(LINK, "") if is_admin and LINK in request.session else "",
    }
    return render(request, "groups/members.html", context, status=status)


@require_POST
@access.signed_in
def invite(request: HttpRequest, group: str) -> HttpResponse:
    """Invite an address; the link is mailed, and shown once to the admin."""
    app_group = access.group(request, Role.ADMIN)
    form = InvitationForm(request.POST, app_group=app_group)
    if not form.is_valid():
        return _page(request, app_group, form, status=422)
    send_invitation(request, app_group, form.cleaned_data, keep_as=LINK)
    return redirect("members", app_group.slug)


def send_invitation(request: HttpRequest, app_group: AppGroup, data: dict[str, str], *, keep_as: str) -> None:
    """Invite, mail the link and say so; under ``keep_as`` the session keeps the link for one look."""
    invitation, token = invitations.invite(app_group, email=data["email"], role=data["role"], by=access.user(request))
    link = request.build_absolute_uri(reverse("invitation", args=[token]))
    request.session[keep_as] = link
    if invitations.mail(invitation, link):
        messages.success(request, _("The invitation was mailed to %(email)s.") % {"email": invitation.email})
    else:
        messages.warning(request, _("The mail could not be sent. Please pass the link below on yourself."))


@require_POST
@access.signed_in
def withdraw(request: HttpRequest, group: str, invitation: int) -> HttpResponse:
    """Make an open invitation useless."""
    row = access.get(request, Invitation, Role.ADMIN, pk=invitation, accepted_at=None)
    row.delete()
    messages.success(request, _("The invitation of %(email)s was withdrawn.") % {"email": row.email})
    return redirect("members", group)


@require_POST
@access.signed_in
def role(request: HttpRequest, group: str, member: int) -> HttpResponse:
    """Give a member another role."""
    membership = access.get(request, Membership, Role.ADMIN, pk=member)
    form = RoleForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Choose one of the roles."))
        return redirect("members", group)
    try:
        domain.set_role(membership, Role(form.cleaned_data["role"]), by=access.user(request))
    except domain.LastAdmin:
        messages.error(request, _last_admin())
    else:
        messages.success(request, _("%(user)s has a new role.") % {"user": membership.user})
    return redirect("members", group)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def remove(request: HttpRequest, group: str, member: int) -> HttpResponse:
    """Ask, then end a membership; also the way to leave a group."""
    membership = access.get(request, Membership, Role.ADMIN, pk=member)
    if request.method != "POST":
        template = (
            "groups/member_remove.html#question" if getattr(request, "htmx", False) else "groups/member_remove.html"
        )
        return render(request, template, {"member": membership})
    try:
        domain.remove(membership, by=access.user(request))
    except domain.LastAdmin:
        messages.error(request, _last_admin())
        return redirect("members", group)
    messages.success(request, _("%(user)s is no longer a member.") % {"user": membership.user})
    return redirect("home") if membership.user == request.user else redirect("members", group)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def leave(request: HttpRequest, group: str) -> HttpResponse:
    """Ask, then end one's own membership; every member may."""
    mine = access.membership(request)
    if request.method != "POST":
        template = "groups/leave.html" + ("#question" if getattr(request, "htmx", False) else "")
        return render(request, template, {"member": mine})
    try:
        domain.remove(mine, by=access.user(request))
    except domain.LastAdmin:
        messages.error(request, _last_admin())
        return redirect("members", group)
    messages.success(request, _("You have left %(group)s.") % {"group": mine.app_group.name})
    return redirect("home")


def _last_admin() -> str:
    return _("A group needs an admin. Make somebody else admin first.")
