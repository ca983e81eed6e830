"""Addresses of audiences, under /g/<slug>/audiences/."""

from django.urls import path

from canvases.audiences import people, views

urlpatterns = [
    path("", views.list_audiences, name="group_audiences"),
    path("new/", views.create, name="audience_create"),
    path("<int:audience_id>/", views.audience, name="audience"),
    path("<int:audience_id>/people/", people.list_people, name="audience_people"),
    path("<int:audience_id>/people/export/", people.export, name="audience_people_export"),
    path("<int:audience_id>/lookalike/", views.create_lookalike, name="audience_lookalike"),
    path("<int:audience_id>/delete/", views.delete, name="audience_delete"),
]
