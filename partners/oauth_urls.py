"""The fixed address that partners send people back to."""

from django.urls import path

from partners import connect_views

urlpatterns = [path("<slug:partner>/callback/", connect_views.callback, name="oauth_callback")]
