"""Addresses of one person and of erasures, under /g/<slug>/people/: their views use every app."""

from django.urls import path

from canvases.views import erasures, person

urlpatterns = [
    path("profiles/<int:profile_id>/", person.profile, name="profile"),
    path("profiles/<int:profile_id>/export/", person.export, name="profile_export"),
    path("profiles/<int:profile_id>/erase/", person.erase, name="profile_erase"),
    path("erase/", erasures.erase, name="erase"),
    path("erasures/", erasures.erasures, name="erasures"),
    path("erasures/<str:receipt>/release/", erasures.release, name="erasure_release"),
]
