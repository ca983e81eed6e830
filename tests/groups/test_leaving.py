"""Members leave a group by themselves; the last admin cannot, however many try at once."""

from functools import partial

import pytest
from django.test import Client

from audiencesync.groups.models import Activity, Membership, Role
from tests.support.threads import Threads


@pytest.mark.parametrize("who", ["bob", "vera"])
def test_every_member_may_leave(who, request, acme, alice, signed_in):
    client = signed_in(request.getfixturevalue(who))
    assert "Leave Acme?" in client.get("/g/acme/members/leave/").content.decode()
    assert client.post("/g/acme/members/leave/")["Location"] == "/"
    assert client.get("/g/acme/members/").status_code == 404
    assert Activity.objects.filter(verb="removed", subject=f"{who}@example.org").exists()


def test_the_last_admin_cannot_leave(acme, alice, bob, signed_in):
    page = signed_in(alice).post("/g/acme/members/leave/", follow=True).content.decode()
    assert "needs an admin" in page
    assert Membership.objects.filter(user=alice).exists()


@pytest.mark.django_db(transaction=True)
def test_two_admins_who_leave_at_once_leave_one_behind(alice, bob):
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    clients = []
    for user in (alice, bob):
        client = Client()
        client.force_login(user)
        clients.append(client)
    threads = Threads()
    for client in clients:
        threads.start(partial(client.post, "/g/acme/members/leave/"))
    assert threads.join() == []
    assert Membership.objects.filter(role=Role.ADMIN).count() == 1
