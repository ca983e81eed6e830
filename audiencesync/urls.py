"""Every address. Tenancy is in the URL: all pages of a group live under /g/<slug>/."""

from django.urls import include, path

urlpatterns = [
    path("", include("audiencesync.groups.urls")),
    path("accounts/", include("allauth.urls")),
    path("g/<slug:group>/people/", include("audiencesync.people.urls")),
    path("g/<slug:group>/partners/", include("partners.urls")),
    path("oauth/", include("partners.oauth_urls")),
    path("g/<slug:group>/canvases/", include("canvases.urls")),
    path("analytics/", include("canvases.analytics_urls")),
]
