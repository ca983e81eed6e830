"""Addresses of audiences, under /g/<slug>/audiences/."""

from django.urls import path

from canvases.audiences import views

urlpatterns = [
    path("", views.listed, name="group_audiences"),
    path("new/", views.create, name="audience_create"),
    path("<int:audience_id>/", views.audience, name="audience"),
    path("<int:audience_id>/lookalike/", views.create_lookalike, name="audience_lookalike"),
    path("<int:audience_id>/delete/", views.delete, name="audience_delete"),
]
