"""The only door from a request to an object: strangers get 404, members without the role 403."""

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
signed_in = login_required


def user(request: HttpRequest) -> User:
    """The signed-in user. Raises PermissionDenied for anybody else (views are ``@access.signed_in``)."""
    if not request.user.is_authenticated:
        raise PermissionDenied
    return request.user


def my_groups(request: HttpRequest) -> QuerySet[AppGroup]:
    """The groups the user is a member of; archived ones are hidden."""
    return AppGroup.objects.filter(memberships__user=user(request), archived_at=None).order_by(
        "name"
    )


def membership(request: HttpRequest) -> Membership:
    """The user's membership in the group named in the URL. Raises Http404 for strangers."""
    if request.resolver_match is None or "group" not in request.resolver_match.kwargs:
        request.resolver_match = resolve(
            request.path_info
        )  # allauth repeats a request after it asked for the password
    slug = request.resolver_match.kwargs["group"]
    cached: Membership | None = getattr(request, "membership", None)
    if cached is not None and cached.app_group.slug == slug:
        return cached
    mine = Membership.objects.filter(user=user(request), app_group__archived_at=None)
    found = mine.select_related("app_group").filter(app_group__slug=slug).first()
    if found is None:
        raise Http404
    request.membership = found  # type: ignore[attr-defined]  # one query a request; read by the context processor
    return found


def group(request: HttpRequest, role: Role = Role.VIEWER) -> AppGroup:
    """The app group of the URL, if the user has ``role`` in it. Raises Http404 or PermissionDenied."""
    mine = membership(request)
    if not mine.may(role):
        raise PermissionDenied
    return mine.app_group


def all_of(request: HttpRequest, model: type[M], role: Role = Role.VIEWER) -> QuerySet[M]:
    """The rows of ``model`` in the group of the URL. A model far from the group names its way in ``GROUP_PATH``."""
    path = getattr(model, "GROUP_PATH", "app_group")
    return model._default_manager.filter(**{path: group(request, role)})


def get(request: HttpRequest, model: type[M], role: Role = Role.VIEWER, **lookup: Any) -> M:
    """One row of the group of the URL. A row of another group is as unknown as one that never was: Http404."""
    try:
        return all_of(request, model, role).get(**lookup)
    except (model.DoesNotExist, ValueError, OverflowError):  # type: ignore[attr-defined]  # every concrete model has it
        raise Http404 from None


def is_staff(request: HttpRequest) -> bool:
    """Whether the user is staff of this installation."""
    return user(request).is_staff


def staff(request: HttpRequest) -> User:
    """The user, if staff. Raises PermissionDenied; without a second factor that is required, leads to where one is made."""
    if not is_staff(request):
        raise PermissionDenied
    if settings.STAFF_REQUIRE_SECOND_FACTOR and not is_mfa_enabled(user(request)):
        messages.warning(
            request,
            _("Set up a second factor first: this installation requires it for pages of staff."),
        )
        raise ImmediateHttpResponse(redirect("mfa_index"))
    return user(request)
