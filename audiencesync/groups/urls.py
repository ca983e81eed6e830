"""URLs of home, members, API keys, activity log, group settings, account and invitations."""

from django.urls import path

from audiencesync.groups.views import (
    account,
    activity,
    home,
    invitations,
    keys,
    language,
    members,
    settings,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("g/<slug:group>/", home.group, name="group"),
    path("g/<slug:group>/members/", members.members, name="members"),
    path("g/<slug:group>/members/leave/", members.leave, name="leave"),
    path("g/<slug:group>/members/invite/", members.invite, name="invite"),
    path(
        "g/<slug:group>/members/invitations/<int:invitation>/withdraw/",
        members.withdraw,
        name="invitation_withdraw",
    ),
    path("g/<slug:group>/members/<int:member>/role/", members.role, name="member_role"),
    path("g/<slug:group>/members/<int:member>/remove/", members.remove, name="member_remove"),
    path("g/<slug:group>/keys/", keys.keys, name="api_keys"),
    path("g/<slug:group>/keys/<int:key>/revoke/", keys.revoke, name="api_key_revoke"),
    path("g/<slug:group>/activity/", activity.activity, name="activity"),
    path("g/<slug:group>/settings/", settings.settings, name="group_settings"),
    # Names of allauth, whose pages these replace: account_email, usersessions_list and
    # account_confirm_email.
    path("accounts/email/", account.change_email, name="account_email"),
    path("accounts/sessions/", account.sessions, name="usersessions_list"),
    path("accounts/confirm-email/<str:key>/", account.confirm_email, name="account_confirm_email"),
    path("invitation/<str:token>/", invitations.invitation, name="invitation"),
    path("i18n/setlang/", language.choose, name="set_language"),
]
