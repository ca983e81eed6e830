"""Addresses of profiles and segments, under /g/<slug>/people/."""

from django.urls import path

from audiencesync.people.imports import views as imports
from audiencesync.people.imports.lists import views as import_lists
from audiencesync.people.views import exports, profiles, segments

urlpatterns = [
    path("profiles/", profiles.profiles, name="profiles"),
    path("profiles/export/", exports.everybody, name="people_export"),
    path("segments/", segments.segments, name="segments"),
    path("segments/new/", segments.new, name="segment_new"),
    path("segments/new/preview/", segments.preview_new, name="segment_new_preview"),
    path("segments/<int:segment_id>/", segments.segment, name="segment"),
    path("segments/<int:segment_id>/preview/", segments.preview, name="segment_preview"),
    path("segments/<int:segment_id>/remove/", segments.remove, name="segment_remove"),
    path("segments/<int:segment_id>/export/", exports.segment, name="segment_export"),
    path("imports/", imports.imports, name="imports"),
    path("imports/new/", imports.new, name="import_new"),
    path("imports/template/", imports.template, name="import_template"),
    path("imports/<int:import_id>/", imports.import_page, name="import"),
    path("imports/<int:import_id>/cancel/", imports.cancel, name="import_cancel"),
    path("imports/<int:import_id>/discard/", imports.discard, name="import_discard"),
    path("imports/<int:import_id>/segment/", imports.segment, name="import_segment"),
    path("imports/<int:import_id>/people/", import_lists.people, name="import_people"),
    path(
        "imports/<int:import_id>/people/export/", import_lists.export, name="import_people_export"
    ),
    path("imports/<int:import_id>/rows/", import_lists.rows, name="import_rows"),
    path("imports/<int:import_id>/rejects/", imports.rejects, name="import_rejects"),
]
