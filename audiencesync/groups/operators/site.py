"""The admin site: for staff alone, behind the sign-in and second factor of all other pages."""

from __future__ import annotations

from functools import update_wrapper
from typing import Any

from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache

from audiencesync.groups import access


class OperatorSite(AdminSite):
    """The tables of the installation."""

    site_title = site_header = _("AudienceSync: tables")
    index_title = _("Tables")
    site_url = "/analytics/"
    index_template = "operators/index.html"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the user is staff; `admin_view` asks for the second factor, too."""
        return request.user.is_authenticated and access.is_staff(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Return the view for staff: visitors sign in, users who are not staff get 403."""

        @access.signed_in
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            access.staff(request)
            return view(request, *args, **kwargs)

        return update_wrapper(guarded if cacheable else never_cache(guarded), view)

    def get_app_list(
        self, request: HttpRequest, app_label: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the tables, named as the code and the docs do."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            for table in app["models"]:
                table["name"] = table["model"].__name__
        return apps

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """Answer 404: it would list the texts of rows, which hold names and addresses of people."""
        raise Http404

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to our own page, which asks for the second factor."""
        return redirect("account_login")

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """Redirect to our own page."""
        return redirect("account_logout")

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Redirect to our own page, which asks for the old password."""
        return redirect("account_change_password")


site = OperatorSite()
