"""Addresses of the partner pages, under /g/<group>/partners/."""

from django.urls import path

from partners import connect_views, views

_AD_ACCOUNT = "<slug:partner>/ad-accounts/<int:ad_account_id>"

urlpatterns = [
    path("", views.partners, name="partners"),
    path("<slug:partner>/", views.partner, name="partner"),
    path("<slug:partner>/connect/", connect_views.connect, name="connect_partner"),
    path("<slug:partner>/choose/<int:state_id>/", connect_views.choose, name="choose_ad_accounts"),
    path("<slug:partner>/disconnect/", connect_views.disconnect, name="disconnect_partner"),
    path(f"{_AD_ACCOUNT}/audiences/", views.ad_account_audiences, name="audiences"),
    path(f"{_AD_ACCOUNT}/audiences/refresh/", views.refresh_audiences, name="refresh_audiences"),
    path(f"{_AD_ACCOUNT}/disconnect/", connect_views.disconnect_ad_account, name="disconnect_ad_account"),
]
