"""The members page: all members see it, admins change it, one admin always remains."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audiencesync.groups import members
from audiencesync.groups.models import Activity, Membership, Role, User


def membership(user):
    return Membership.objects.filter(user=user).first()


def test_a_viewer_sees_the_page_without_buttons(acme, alice, vera, signed_in):
    page = signed_in(vera).get("/g/acme/members/").content.decode()
    assert "alice@example.org" in page
    assert "/members/invite/" not in page
    assert "/role/" not in page


def test_a_viewer_does_not_see_invitations(alice, vera, signed_in, invited):
    invited()
    assert "dora@example.org" in signed_in(alice).get("/g/acme/members/").content.decode()
    assert "dora@example.org" not in signed_in(vera).get("/g/acme/members/").content.decode()


@pytest.mark.parametrize("action", ["invite", "role", "remove", "withdraw", "settings"])
@pytest.mark.parametrize(("name", "allowed"), [("alice", True), ("bob", False), ("vera", False)])
def test_only_admins_change_members_and_settings(
    action, name, allowed, acme, alice, bob, vera, signed_in, invited
):
    invitation, _path = invited()
    path, fields = {
        "invite": ("members/invite/", {"email": "new@example.org", "role": "viewer"}),
        "role": (f"members/{membership(bob).pk}/role/", {"role": "viewer"}),
        "remove": (f"members/{membership(bob).pk}/remove/", {}),
        "withdraw": (f"members/invitations/{invitation.pk}/withdraw/", {}),
        "settings": ("settings/", {"name": "New", "time_zone": "UTC", "phone_region": "US"}),
    }[action]
    user = {"alice": alice, "bob": bob, "vera": vera}[name]
    before = Activity.objects.count()
    answer = signed_in(user).post(f"/g/acme/{path}", fields)
    assert answer.status_code == (302 if allowed else 403)
    if not allowed:
        assert Activity.objects.count() == before
        assert membership(bob).role == Role.MARKETER
        acme.refresh_from_db()
        assert acme.name == "Acme"


def test_a_change_of_role_is_logged(acme, alice, bob, signed_in):
    signed_in(alice).post(f"/g/acme/members/{membership(bob).pk}/role/", {"role": "admin"})
    assert membership(bob).role == "admin"
    assert Activity.objects.get(app_group=acme).subject == "bob@example.org"


def test_an_unknown_role_is_refused_with_a_message(acme, alice, bob, signed_in):
    page = signed_in(alice).post(
        f"/g/acme/members/{membership(bob).pk}/role/", {"role": "king"}, follow=True
    )
    assert "Choose one of the roles" in page.content.decode()
    assert membership(bob).role == "marketer"


def test_a_removed_member_loses_access_at_once(acme, alice, bob, signed_in):
    client = signed_in(bob)
    assert client.get("/g/acme/members/").status_code == 200
    signed_in(alice).post(f"/g/acme/members/{membership(bob).pk}/remove/")
    assert client.get("/g/acme/members/").status_code == 404


def test_removing_asks_for_confirmation(alice, bob, signed_in):
    client, path = signed_in(alice), f"/g/acme/members/{membership(bob).pk}/remove/"
    page = client.get(path).content.decode()
    fragment = client.get(path, headers={"HX-Request": "true"}).content.decode()
    assert "bob@example.org" in page
    assert "<html" in page
    assert "bob@example.org" in fragment
    assert "<html" not in fragment
    assert membership(bob)


@pytest.mark.parametrize("path", ["role", "remove"])
def test_the_last_admin_cannot_be_removed_or_demoted(alice, bob, signed_in, path):
    page = signed_in(alice).post(
        f"/g/acme/members/{membership(alice).pk}/{path}/", {"role": "viewer"}, follow=True
    )
    assert "needs an admin" in page.content.decode()
    assert membership(alice).role == "admin"


@pytest.mark.parametrize("path", ["role", "remove"])
def test_an_admin_who_is_not_the_last_may_be_removed_or_demoted(alice, bob, signed_in, path):
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    signed_in(alice).post(f"/g/acme/members/{membership(alice).pk}/{path}/", {"role": "viewer"})
    assert membership(alice) is None or membership(alice).role == "viewer"


def test_two_admins_cannot_remove_each_other(alice, bob):
    # Both pages were opened while there were two admins; the second action comes after the first.
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    seen_by_alice, seen_by_bob = membership(bob), membership(alice)
    members.set_role(seen_by_alice, Role.VIEWER, by=alice)
    with pytest.raises(members.LastAdmin):
        members.remove(seen_by_bob, by=bob)
    assert membership(alice).role == "admin"


def test_a_role_change_does_not_restore_a_removed_member(alice, bob):
    stale = membership(bob)
    members.remove(membership(bob), by=alice)
    members.set_role(stale, Role.ADMIN, by=alice)
    assert membership(bob) is None


def test_settings_refuse_unknown_zones_and_regions(acme, alice, signed_in):
    answer = signed_in(alice).post(
        "/g/acme/settings/", {"name": "", "time_zone": "Mars/Base", "phone_region": "ZZ"}
    )
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"name", "time_zone", "phone_region"}
    acme.refresh_from_db()
    assert (acme.name, acme.time_zone, acme.phone_region) == ("Acme", "UTC", "DE")


def test_a_group_name_becomes_one_line(acme, alice, signed_in):
    data = {
        "name": "A\r\nBcc: x@example.org",
        "time_zone": "UTC",
        "phone_region": "DE",
        "consent_values": "yes",
    }
    assert signed_in(alice).post("/g/acme/settings/", data).status_code == 302
    acme.refresh_from_db()
    assert acme.name == "A Bcc: x@example.org"


def test_the_page_needs_no_more_queries_for_more_members(acme, alice, signed_in, invited):
    client = signed_in(alice)

    def queries():
        with CaptureQueriesContext(connection) as captured:
            client.get("/g/acme/members/")
        return len(captured)

    invited("i0@example.org")
    few = queries()
    for number in range(10):
        Membership.objects.create(
            app_group=acme, user=User.objects.create_user(f"m{number}@example.org")
        )
        invited(f"i{number}@example.org")
    assert queries() == few
