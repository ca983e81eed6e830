"""Addresses of the app groups, for staff."""

from django.urls import path

from canvases.views import app_groups

urlpatterns = [
    path("", app_groups.groups, name="staff_groups"),
    path("new/", app_groups.new, name="staff_group_new"),
    path("g/<slug:slug>/", app_groups.group, name="staff_group"),
    path("g/<slug:slug>/invite/", app_groups.invite, name="staff_group_invite"),
    path("g/<slug:slug>/archive/", app_groups.archive, name="staff_group_archive"),
    path("g/<slug:slug>/restore/", app_groups.restore, name="staff_group_restore"),
    path("g/<slug:slug>/delete/", app_groups.delete, name="staff_group_delete"),
]
