"""Addresses of the partner pages, under /g/<group>/partners/."""

from django.urls import path

from partners.views import change, connect, pages

_AD_ACCOUNT = "<slug:partner_key>/ad-accounts/<int:ad_account_id>"

urlpatterns = [
    path("", pages.partners, name="partners"),
    path("<slug:partner_key>/", pages.partner, name="partner"),
    path("<slug:partner_key>/connect/", connect.connect, name="connect_partner"),
    path("<slug:partner_key>/change/", change.change_account, name="change_account"),
    path("<slug:partner_key>/change/cancel/", change.cancel_change, name="cancel_change"),
    path("<slug:partner_key>/choose/<int:state_id>/", connect.choose, name="choose_ad_accounts"),
    path("<slug:partner_key>/disconnect/", connect.disconnect, name="disconnect_partner"),
    path(f"{_AD_ACCOUNT}/audiences/", pages.ad_account_audiences, name="audiences"),
    path(f"{_AD_ACCOUNT}/audiences/refresh/", pages.refresh_audiences, name="refresh_audiences"),
    path(f"{_AD_ACCOUNT}/disconnect/", connect.disconnect_ad_account, name="disconnect_ad_account"),
]
