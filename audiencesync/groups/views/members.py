"""The members page: list, invite, change a role, remove, leave."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from audiencesync.core import crypto, htmx
from audiencesync.groups import access, rate_limits, reauthentication
from audiencesync.groups import members as domain
from audiencesync.groups.accounts import invitations
from audiencesync.groups.accounts.adapter import under_site_url
from audiencesync.groups.forms import InvitationForm, RoleForm
from audiencesync.groups.models import AppGroup, Invitation, Membership, Role

# Session key: sealed; shown once on the page after inviting, if no mail could be sent.
LINK_KEY = "invitation_link"


@require_safe
@access.signed_in
def members(request: HttpRequest, group: str) -> HttpResponse:
    """List the members; admins also see the open invitations."""
    app_group = access.group(request)
    return _page(request, app_group, InvitationForm(app_group=app_group))


def _page(
    request: HttpRequest, app_group: AppGroup, form: InvitationForm, status: int = 200
) -> HttpResponse:
    people = (
        access.all_of(request, Membership)
        .select_related("user")
        .order_by("user__name", "user__email")
    )
    is_admin = access.membership(request).may(Role.ADMIN)
    context = {
        "members": people,
        "roles": Role.choices,
        "form": form,
        "pending": invitations.pending(app_group, now=timezone.now()) if is_admin else [],
        "link": pop_link(request, app_group, kept_as=LINK_KEY) if is_admin else "",
    }
    return render(request, "groups/members.html", context, status=status)


def pop_link(request: HttpRequest, app_group: AppGroup, *, kept_as: str) -> str:
    """Return the link that could not be mailed, once.

    On the next request, and in other groups, return an empty text. ``kept_as``: its session key.
    """
    if request.method != "GET" or kept_as not in request.session:
        return ""
    try:
        return crypto.open_sealed(
            request.session.pop(kept_as), context=f"invitation:{app_group.pk}"
        )
    except crypto.CannotOpen:
        return ""


@require_POST
@access.signed_in
@sensitive_variables("link", "token")
def invite(request: HttpRequest, group: str) -> HttpResponse:
    """Invite an address and mail the link. If that fails, the admin sees the link once."""
    app_group = access.group(request, Role.ADMIN)
    form = InvitationForm(request.POST, app_group=app_group)
    if not form.is_valid():
        return _page(request, app_group, form, status=422)
    if form.cleaned_data["role"] == Role.ADMIN:
        reauthentication.require(request)
    if count_against_limit(app_group, form):
        return _page(request, app_group, form, status=429)
    send_invitation(request, app_group, form.cleaned_data, keep_as=LINK_KEY)
    return redirect("members", app_group.slug)


def count_against_limit(app_group: AppGroup, form: InvitationForm) -> bool:
    """Count an invitation; if it exceeds the hourly limit, add a form error and return True."""
    limit = invitations.MAX_PER_HOUR
    is_over = rate_limits.count_in(
        app_group, "invitations", limit, seconds=3600, now=timezone.now()
    ).is_over
    if is_over:
        form.add_error(
            None, _("At most %(n)d invitations an hour. Try again later.") % {"n": limit}
        )
    return is_over


@sensitive_variables("link", "token")
def send_invitation(
    request: HttpRequest, app_group: AppGroup, data: dict[str, str], *, keep_as: str
) -> None:
    """Invite, mail the link and show a message.

    If the mail fails, keep the link in the session under the key ``keep_as`` (see `pop_link`).
    """
    email, role = data["email"], data["role"]
    try:
        invitation, token = invitations.invite(
            app_group, email=email, role=role, by=access.user(request)
        )
    except invitations.JustInvited:
        messages.info(request, _("%(email)s was invited just now.") % {"email": email})
        return
    link = under_site_url(reverse("invitation", args=[token]))
    if invitations.mail(invitation, link):
        messages.success(
            request, _("The invitation was mailed to %(email)s.") % {"email": invitation.email}
        )
    else:
        invitations.mark_link_shown(invitation)
        request.session[keep_as] = crypto.seal(link, context=f"invitation:{app_group.pk}")
        messages.warning(
            request, _("The mail could not be sent. Please pass the link below on yourself.")
        )


@require_POST
@access.signed_in
def withdraw(request: HttpRequest, group: str, invitation: int) -> HttpResponse:
    """Delete an open invitation."""
    row = access.get(request, Invitation, Role.ADMIN, pk=invitation)
    if Invitation.objects.filter(pk=row.pk, accepted_at=None).delete()[0]:
        message = _("The invitation of %(email)s was withdrawn.")
        messages.success(request, message % {"email": row.email})
    else:
        messages.error(request, _("%(email)s has accepted already.") % {"email": row.email})
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
    reauthentication.require(request)
    new_role, is_sure = Role(form.cleaned_data["role"]), "sure" in request.POST
    if not new_role.includes(Role.ADMIN) and not is_sure and domain.keys_of(membership).exists():
        context = {"new_role": new_role.value, "new_role_label": new_role.label} | _consequences(
            membership
        )
        return render(request, "groups/member_demote.html", context)
    try:
        domain.set_role(
            membership, new_role, by=access.user(request), revoke_keys="revoke_keys" in request.POST
        )
    except domain.LastAdmin:
        messages.error(request, _last_admin_error())
    else:
        messages.success(request, _("%(user)s has a new role.") % {"user": membership.user})
    return redirect("members", group)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def remove(request: HttpRequest, group: str, member: int) -> HttpResponse:
    """Ask for confirmation, then delete a membership."""
    membership = access.get(request, Membership, Role.ADMIN, pk=member)
    if request.method != "POST":
        template = (
            "groups/member_remove.html#question"
            if htmx.asks(request)
            else "groups/member_remove.html"
        )
        return render(request, template, _consequences(membership))
    reauthentication.require(request)
    try:
        domain.remove(
            membership, by=access.user(request), revoke_keys="revoke_keys" in request.POST
        )
    except domain.LastAdmin:
        messages.error(request, _last_admin_error())
        return redirect("members", group)
    messages.success(request, _("%(user)s is no longer a member.") % {"user": membership.user})
    return redirect("home") if membership.user == request.user else redirect("members", group)


@require_http_methods(["GET", "HEAD", "POST"])
@access.signed_in
def leave(request: HttpRequest, group: str) -> HttpResponse:
    """Ask for confirmation, then delete the user's own membership."""
    membership = access.membership(request)
    if request.method != "POST":
        template = "groups/leave.html" + ("#question" if htmx.asks(request) else "")
        return render(request, template, {"member": membership})
    try:
        domain.remove(membership, by=access.user(request))
    except domain.LastAdmin:
        messages.error(request, _last_admin_error())
        return redirect("members", group)
    messages.success(request, _("You have left %(group)s.") % {"group": membership.app_group.name})
    return redirect("home")


def _consequences(membership: Membership) -> dict[str, object]:
    """Return the context of a confirmation page: what else ends with the membership."""
    return {
        "member": membership,
        "their_keys": domain.keys_of(membership),
        "n_invited": domain.invitations_of(membership).count(),
    }


def _last_admin_error() -> str:
    return _("A group needs an admin. Make another member admin first.")
