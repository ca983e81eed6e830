"""Addresses of the health pages, under /g/<group>/health/."""

from django.urls import path

from partners.views import health

urlpatterns = [path("", health.health, name="health")]
