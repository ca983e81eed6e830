"""All URLs. The tenant is part of the URL: all pages of a group are under /g/<slug>/."""

from allauth.account.views import login
from django.conf import settings
from django.urls import include, path

from audiencesync.api import api
from audiencesync.core.web import health
from audiencesync.groups.operators import site as operators
from audiencesync.groups.operators import tables as _tables_of_groups  # noqa: F401 - adds tables
from audiencesync.groups.views import setup
from audiencesync.people.demo import people
from audiencesync.people.operators import tables as _tables_of_people  # noqa: F401 - as above
from canvases import metrics
from canvases.help import views as help_views
from canvases.operators import tables as _tables_of_canvases  # noqa: F401 - as above
from canvases.overview import views as overview
from canvases.views import analytics, my_groups
from partners.connections import connect
from partners.operators import tables as _tables_of_partners  # noqa: F401 - as above

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
    path(
        "readyz",
        health.readyz,
        {"more_checks": {"tokens": connect.token_keys_error}},
        name="readyz",
    ),
    path("metrics", metrics.metrics, name="metrics"),
    path("groups/", my_groups.groups, name="groups"),
    path("", include("audiencesync.groups.urls")),
    path("setup/<str:token>/", setup.setup, {"load_demo": people.load}, name="setup"),
    # This comes before allauth's own URL of the same path.
    path("accounts/login/", setup.with_setup_hint(login), name="account_login"),
    path("accounts/", include("allauth.urls")),
    path("g/<slug:group>/people/", include("audiencesync.people.urls")),
    path("g/<slug:group>/people/", include("canvases.urls.people")),
    path("g/<slug:group>/partners/", include("partners.urls")),
    path("g/<slug:group>/health/", include("partners.views.health_urls")),
    path("oauth/", include("partners.oauth_urls")),
    path("g/<slug:group>/audiences/", include("canvases.audiences.urls")),
    path("g/<slug:group>/canvases/", include("canvases.urls")),
    path("g/<slug:group>/analytics/", analytics.of_group, name="analytics"),
    path("g/<slug:group>/overview/", overview.overview, name="overview"),
    path("g/<slug:group>/help/", help_views.page, name="help"),
    path("analytics/", analytics.staff, name="staff_analytics"),
    path("analytics/steps/<int:step_id>/", analytics.staff_step, name="staff_step"),
    path("staff/groups/", include("canvases.urls.staff")),
    *([path(settings.ADMIN_PATH, operators.site.urls)] if settings.ADMIN_PATH else []),
    path("", api.urls),
]

handler400 = "audiencesync.core.web.error_pages.bad_request"
handler403 = "audiencesync.core.web.error_pages.permission_denied"
handler404 = "audiencesync.core.web.error_pages.page_not_found"
handler429 = "audiencesync.core.web.error_pages.too_many_requests"  # allauth's name
handler500 = "audiencesync.core.web.error_pages.server_error"
