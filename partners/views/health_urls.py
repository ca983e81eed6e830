"""Addresses of the health pages, under /g/<group>/health/."""

from django.urls import path

from partners.views import health, notices

urlpatterns = [
    path("", health.health, name="health"),
    path("check/<slug:partner_key>/", health.check_now, name="check_now"),
    path("notices/", notices.notices, name="notices"),
    path("notices/thresholds/", notices.set_thresholds, name="thresholds"),
    path("notices/webhook/", notices.webhook, name="webhook"),
    path("notices/webhook/remove/", notices.webhook_remove, name="webhook_remove"),
    path("notices/webhook/test/", notices.webhook_test, name="webhook_test"),
]
