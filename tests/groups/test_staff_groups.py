"""Staff create, rename, archive and delete app groups, and invite their first admin."""

import pytest
from django.core import mail
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.groups.models import AppGroup, Invitation, Membership, Role, User
from canvases import engine
from canvases.models import Canvas

NEW = {
    "name": "Fresh shoes",
    "slug": "",
    "time_zone": "UTC",
    "phone_region": "FR",
    "language": "de",
}
PATHS = [
    "",
    "new/",
    "g/acme/",
    "g/acme/invite/",
    "g/acme/archive/",
    "g/acme/restore/",
    "g/acme/delete/",
]


@pytest.fixture
def staff(db):
    return User.objects.create_user("staff@example.org", "correct horse battery", is_staff=True)


@pytest.fixture
def staff_client(staff, acme, signed_in):
    return signed_in(staff)


@pytest.mark.parametrize("path", PATHS)
def test_only_staff_have_access(path, acme, alice, signed_in, client):
    for answer in (
        signed_in(alice).get(f"/staff/groups/{path}"),
        signed_in(alice).post(f"/staff/groups/{path}"),
    ):
        assert answer.status_code in (403, 405)
    assert client.post(f"/staff/groups/{path}").status_code in (302, 405)
    acme.refresh_from_db()
    assert (acme.name, acme.archived_at) == ("Acme", None)


def test_the_list_shows_every_group(staff_client, other_group):
    page = staff_client.get("/staff/groups/").content.decode()
    assert "Acme" in page
    assert "Umbrella" in page


def test_the_first_admin_of_a_new_group_is_invited(staff_client):
    assert (
        staff_client.post("/staff/groups/new/", NEW)["Location"] == "/staff/groups/g/fresh-shoes/"
    )
    group = AppGroup.objects.get(slug="fresh-shoes")
    assert (group.phone_region, group.language, group.memberships.count()) == ("FR", "de", 0)
    staff_client.post("/staff/groups/g/fresh-shoes/invite/", {"email": "first@example.org"})
    invitation = Invitation.objects.get(app_group=group)
    assert (invitation.email, invitation.role) == ("first@example.org", "admin")
    assert mail.outbox[0].to == ["first@example.org"]


def test_staff_invitations_count_for_the_limit_of_the_group(amid_an_hour, staff_client):
    answers = [
        staff_client.post("/staff/groups/g/acme/invite/", {"email": f"p{n}@example.org"})
        for n in range(21)
    ]
    assert [answer.status_code for answer in answers] == [302] * 20 + [429]
    assert "At most 20 invitations an hour" in answers[-1].content.decode()
    assert len(mail.outbox) == 20


def test_staff_may_become_the_first_admin(staff_client, staff, acme):
    assert (
        staff_client.post("/staff/groups/g/acme/invite/", {"myself": "1"})["Location"] == "/g/acme/"
    )
    assert Membership.objects.get(user=staff, app_group=acme).role == Role.ADMIN


@pytest.mark.parametrize("slug", ["acme", "ACME", "no/slash"])
def test_a_taken_or_invalid_slug_is_refused(staff_client, slug):
    answer = staff_client.post("/staff/groups/new/", NEW | {"slug": slug})
    assert answer.status_code == 422
    assert "slug" in answer.context["form"].errors


def test_a_group_is_renamed(staff_client, acme):
    staff_client.post("/staff/groups/g/acme/", {"name": " Acme\n International "})
    acme.refresh_from_db()
    assert (acme.name, acme.slug) == ("Acme International", "acme")


def test_an_archived_group_is_hidden_until_it_is_restored(staff_client, acme, alice, signed_in):
    member = signed_in(alice)
    staff_client.post("/staff/groups/g/acme/archive/")
    assert member.get("/g/acme/members/").status_code == 404
    assert "Acme" not in member.get("/groups/").content.decode()
    staff_client.post("/staff/groups/g/acme/restore/")
    assert member.get("/g/acme/members/").status_code == 200


def test_archiving_stops_canvases_for_good(staff_client, acme):
    canvas = Canvas.objects.create(app_group=acme, name="Welcome", state=Canvas.State.LIVE)
    staff_client.post("/staff/groups/g/acme/archive/")
    staff_client.post("/staff/groups/g/acme/restore/")
    canvas.refresh_from_db()
    assert canvas.state == Canvas.State.STOPPED


def test_keys_of_an_archived_group_are_refused_until_it_is_restored(staff_client, acme, client):
    _key, text = api_keys.issue(acme, name="Shop", scopes=["segments.read"], by=None)
    call = {"headers": {"Authorization": f"Bearer {text}"}}
    assert client.get("/segments/list", **call).status_code == 200
    staff_client.post("/staff/groups/g/acme/archive/")
    assert client.get("/segments/list", **call).status_code == 401
    staff_client.post("/staff/groups/g/acme/restore/")
    assert client.get("/segments/list", **call).status_code == 200


def test_an_invitation_to_an_archived_group_is_refused(staff_client, acme, invited, client):
    _invitation, path = invited()
    staff_client.post("/staff/groups/g/acme/archive/")
    assert client.get(path).status_code == 410


def test_a_canvas_of_an_archived_group_does_not_launch(acme, alice):
    stale = Canvas.objects.create(app_group=acme, name="Welcome")
    AppGroup.objects.update(archived_at=timezone.now())
    assert not engine.launch(stale, by=alice, now=timezone.now())


@pytest.mark.parametrize("typed", ["", "acme", "Umbrella", "Acme!"])
def test_deleting_requires_the_name(staff_client, acme, typed):
    page = staff_client.get("/staff/groups/g/acme/delete/").content.decode()
    assert "Type the name of the group" in page
    assert staff_client.post("/staff/groups/g/acme/delete/", {"name": typed}).status_code == 422
    acme.refresh_from_db()
    assert acme.deleting_at is None


def test_a_group_being_deleted_cannot_be_restored(staff_client, acme):
    staff_client.post("/staff/groups/g/acme/delete/", {"name": "Acme"})
    page = staff_client.post("/staff/groups/g/acme/restore/", follow=True).content.decode()
    assert "cannot be brought back" in page
    acme.refresh_from_db()
    assert acme.archived_at is not None


def test_a_user_without_a_group_sees_what_to_do_next(db, staff, signed_in):
    user = User.objects.create_user("new@example.org", "correct horse battery")
    assert "Ask an admin" in signed_in(user).get("/groups/").content.decode()
    assert "/staff/groups/" in signed_in(staff).get("/groups/").content.decode()
