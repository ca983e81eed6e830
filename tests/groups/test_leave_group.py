"""Members leave a group; the last admin cannot, not even in a race."""

from functools import partial

import pytest
from django.test import Client

from audiencesync.groups.models import Activity, Membership, Role
from tests.support.threads import Threads


@pytest.mark.parametrize("name", ["bob", "vera"])
def test_every_member_may_leave(name, request, acme, alice, signed_in):
    client = signed_in(request.getfixturevalue(name))
    assert "Leave Acme?" in client.get("/g/acme/members/leave/").content.decode()
    assert client.post("/g/acme/members/leave/")["Location"] == "/"
    assert client.get("/g/acme/members/").status_code == 404
    assert Activity.objects.filter(verb="removed", subject=f"{name}@example.org").exists()


def test_the_last_admin_cannot_leave(acme, alice, bob, signed_in):
    page = signed_in(alice).post("/g/acme/members/leave/", follow=True).content.decode()
    assert "needs an admin" in page
    assert Membership.objects.filter(user=alice).exists()


@pytest.mark.django_db(transaction=True)
def test_one_of_two_admins_leaving_at_once_stays(alice, bob):
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
