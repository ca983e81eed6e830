"""Staff make, rename, archive and delete app groups, and invite their first admin."""

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
def desk(staff, acme, signed_in):
    return signed_in(staff)


@pytest.mark.parametrize("path", PATHS)
def test_only_staff_come_in(path, acme, alice, signed_in, client):
    for answer in (
        signed_in(alice).get(f"/staff/groups/{path}"),
        signed_in(alice).post(f"/staff/groups/{path}"),
    ):
        assert answer.status_code in (403, 405)
    assert client.post(f"/staff/groups/{path}").status_code in (302, 405)
    acme.refresh_from_db()
    assert (acme.name, acme.archived_at) == ("Acme", None)


def test_the_list_names_every_group(desk, other_group):
    page = desk.get("/staff/groups/").content.decode()
    assert "Acme" in page
    assert "Umbrella" in page


def test_a_new_group_gets_its_first_admin_by_invitation(desk):
    assert desk.post("/staff/groups/new/", NEW)["Location"] == "/staff/groups/g/fresh-shoes/"
    group = AppGroup.objects.get(slug="fresh-shoes")
    assert (group.phone_region, group.language, group.memberships.count()) == ("FR", "de", 0)
    desk.post("/staff/groups/g/fresh-shoes/invite/", {"email": "first@example.org"})
    invitation = Invitation.objects.get(app_group=group)
    assert (invitation.email, invitation.role) == ("first@example.org", "admin")
    assert mail.outbox[0].to == ["first@example.org"]


def test_staff_mail_no_more_invitations_to_a_group_than_its_admins(desk):
    answers = [
        desk.post("/staff/groups/g/acme/invite/", {"email": f"p{n}@example.org"}) for n in range(21)
    ]
    assert [answer.status_code for answer in answers] == [302] * 20 + [429]
    assert "At most 20 invitations an hour" in answers[-1].content.decode()
    assert len(mail.outbox) == 20


def test_staff_may_become_the_first_admin(desk, staff, acme):
    assert desk.post("/staff/groups/g/acme/invite/", {"myself": "1"})["Location"] == "/g/acme/"
    assert Membership.objects.get(user=staff, app_group=acme).role == Role.ADMIN


@pytest.mark.parametrize("slug", ["acme", "ACME", "no/slash"])
def test_a_taken_or_odd_address_is_told(desk, slug):
    answer = desk.post("/staff/groups/new/", NEW | {"slug": slug})
    assert answer.status_code == 422
    assert "slug" in answer.context["form"].errors


def test_a_group_is_renamed(desk, acme):
    desk.post("/staff/groups/g/acme/", {"name": " Acme\n International "})
    acme.refresh_from_db()
    assert (acme.name, acme.slug) == ("Acme International", "acme")


def test_an_archived_group_is_hidden_from_its_members_and_comes_back(desk, acme, alice, signed_in):
    member = signed_in(alice)
    desk.post("/staff/groups/g/acme/archive/")
    assert member.get("/g/acme/members/").status_code == 404
    assert "Acme" not in member.get("/groups/").content.decode()
    desk.post("/staff/groups/g/acme/restore/")
    assert member.get("/g/acme/members/").status_code == 200


def test_archiving_stops_canvases_and_they_stay_stopped(desk, acme):
    canvas = Canvas.objects.create(app_group=acme, name="Welcome", state=Canvas.State.LIVE)
    desk.post("/staff/groups/g/acme/archive/")
    desk.post("/staff/groups/g/acme/restore/")
    canvas.refresh_from_db()
    assert canvas.state == Canvas.State.STOPPED


def test_keys_of_an_archived_group_are_refused_until_it_is_back(desk, acme, client):
    _key, text = api_keys.issue(acme, name="Shop", scopes=["segments.read"], by=None)
    call = {"headers": {"Authorization": f"Bearer {text}"}}
    assert client.get("/segments/list", **call).status_code == 200
    desk.post("/staff/groups/g/acme/archive/")
    assert client.get("/segments/list", **call).status_code == 401
    desk.post("/staff/groups/g/acme/restore/")
    assert client.get("/segments/list", **call).status_code == 200


def test_nobody_joins_an_archived_group(desk, acme, invited, client):
    _invitation, path = invited()
    desk.post("/staff/groups/g/acme/archive/")
    assert client.get(path).status_code == 410


def test_a_canvas_of_an_archived_group_does_not_launch(acme, alice):
    from_a_page_opened_before = Canvas.objects.create(app_group=acme, name="Welcome")
    AppGroup.objects.update(archived_at=timezone.now())
    assert not engine.launch(from_a_page_opened_before, by=alice, now=timezone.now())


@pytest.mark.parametrize("typed", ["", "acme", "Umbrella", "Acme!"])
def test_deleting_asks_for_the_name(desk, acme, typed):
    page = desk.get("/staff/groups/g/acme/delete/").content.decode()
    assert "Type the name of the group" in page
    assert desk.post("/staff/groups/g/acme/delete/", {"name": typed}).status_code == 422
    acme.refresh_from_db()
    assert acme.deleting_at is None


def test_a_group_being_deleted_is_not_brought_back(desk, acme):
    desk.post("/staff/groups/g/acme/delete/", {"name": "Acme"})
    page = desk.post("/staff/groups/g/acme/restore/", follow=True).content.decode()
    assert "cannot be brought back" in page
    acme.refresh_from_db()
    assert acme.archived_at is not None


def test_who_has_no_group_reads_what_to_do_next(db, staff, signed_in):
    stranger = User.objects.create_user("new@example.org", "correct horse battery")
    assert "Ask an admin" in signed_in(stranger).get("/groups/").content.decode()
    assert "/staff/groups/" in signed_in(staff).get("/groups/").content.decode()
