"""Addresses of the analytics for staff."""

from django.urls import path

from canvases.views import analytics

urlpatterns = [path("", analytics.staff, name="staff_analytics")]
