"""Addresses of profiles and segments, under /g/<slug>/people/."""

from django.urls import path

from audiencesync.people.views import profiles, segments

urlpatterns = [
    path("profiles/", profiles.profiles, name="profiles"),
    path("profiles/<int:profile_id>/", profiles.profile, name="profile"),
    path("segments/", segments.segments, name="segments"),
    path("segments/new/", segments.new, name="segment_new"),
    path("segments/<int:segment_id>/", segments.segment, name="segment"),
    path("segments/<int:segment_id>/remove/", segments.remove, name="segment_remove"),
]
