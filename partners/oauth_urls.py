"""The fixed address that partners send people back to."""

from django.urls import path

from partners.views import connect

urlpatterns = [path("<slug:partner_key>/callback/", connect.callback, name="oauth_callback")]
