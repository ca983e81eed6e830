"""The only way from a request to an object. Non-members get 404, members without the role 403."""

from typing import Any, TypeVar

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.utils import is_mfa_enabled
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest
from django.shortcuts import redirect
from django.urls import resolve
from django.utils.translation import gettext as _

from audiencesync.groups.models import AppGroup, Membership, Role, User

M = TypeVar("M", bound=Model)
signed_in = login_required  # views take all their guards from this module


def user(request: HttpRequest) -> User:
    """Return the signed-in user, else raise PermissionDenied (views are ``@access.signed_in``)."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user


def my_groups(request: HttpRequest) -> QuerySet[AppGroup]:
    """Return the groups that the user is a member of, without archived ones."""
    return AppGroup.objects.filter(memberships__user=user(request), archived_at=None).order_by(
        "name"
    )


def membership(request: HttpRequest) -> Membership:
    """Return the user's membership in the group of the URL. Raises Http404 for non-members."""
    if request.resolver_match is None or "group" not in request.resolver_match.kwargs:
        # allauth repeats a request after it asked for the password. The repeated request has not
        # been resolved to a view yet.
        request.resolver_match = resolve(request.path_info)
    slug = request.resolver_match.kwargs["group"]
    cached: Membership | None = getattr(request, "membership", None)
    if cached is not None and cached.app_group.slug == slug:
        return cached
    of_user = Membership.objects.filter(user=user(request), app_group__archived_at=None)
    row = of_user.select_related("app_group").filter(app_group__slug=slug).first()
    if row is None:
        raise Http404
    request.membership = row  # type: ignore[attr-defined]  # for later calls and templates
    return row


def group(request: HttpRequest, role: Role = Role.VIEWER) -> AppGroup:
    """Return the group of the URL if the user has ``role`` in it.

    Raises Http404 or PermissionDenied.
    """
    row = membership(request)
    if not row.may(role):
        raise PermissionDenied
    return row.app_group


def all_of(request: HttpRequest, model: type[M], role: Role = Role.VIEWER) -> QuerySet[M]:
    """Return the rows of ``model`` in the group of the URL.

    ``GROUP_PATH`` of the model: the lookup of its group, if that is not ``app_group``.
    """
    path = getattr(model, "GROUP_PATH", "app_group")
    return model._default_manager.filter(**{path: group(request, role)})


def get(request: HttpRequest, model: type[M], role: Role = Role.VIEWER, **lookup: Any) -> M:
    """Return one row of the group of the URL. Raises Http404, also for a row of another group."""
    does_not_exist = model.DoesNotExist  # type: ignore[attr-defined]  # every concrete model has it
    try:
        return all_of(request, model, role).get(**lookup)
    except (does_not_exist, ValueError, OverflowError):  # the value may not fit the column
        raise Http404 from None


def is_staff(request: HttpRequest) -> bool:
    """Return whether the user is staff of this installation."""
    return user(request).is_staff


def staff(request: HttpRequest) -> User:
    """Return the user if staff, else raise PermissionDenied.

    If the installation requires a second factor and the user has none, raise a redirect to the page
    that sets one up.
    """
    if not is_staff(request):
        raise PermissionDenied
    if settings.STAFF_REQUIRE_SECOND_FACTOR and not is_mfa_enabled(user(request)):
        messages.warning(
            request,
            _("Set up a second factor first: this installation requires it for pages of staff."),
        )
        raise ImmediateHttpResponse(redirect("mfa_index"))
    return user(request)
