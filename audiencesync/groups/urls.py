"""Addresses of the roof: home, switching groups, members, activity, settings, invitations, language."""

from django.urls import include, path

from audiencesync.groups import views

urlpatterns = [
    path("", views.home, name="home"),
    path("groups/", views.groups, name="groups"),
    path("g/<slug:group>/", views.group, name="group"),
    path("i18n/", include("django.conf.urls.i18n")),
]
