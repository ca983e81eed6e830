"""The first start: one link creates one account and one app group.

A process that starts prints a link only while there is no account at all. The link works, and the
command prints another, while there is no member of staff: other accounts do not end it.
"""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from audiencesync.groups.first_start import setup_link
from audiencesync.groups.models import SETUP_LIFETIME, AppGroup, Membership, SetupLink, User

FORM = {
    "email": "Olga@Example.org",
    "person": "Olga Operator",
    "password": "correct horse battery",
    "name": "Shoes and more",
    "slug": "",
    "time_zone": "Europe/Berlin",
    "phone_region": "DE",
    "language": "de",
}


@pytest.fixture
def link(db):
    return path_of(setup_link.issue_link(printed_by="a test", now=timezone.now()))


def path_of(url):
    return url[url.index("/setup/") :]


@pytest.mark.parametrize("address", ["/", "/accounts/login/"])
def test_without_an_account_a_page_explains_the_setup(db, address):
    page = Client().get(address).content.decode()
    assert "manage.py setup" in page
    assert "Password" not in page


def test_with_an_account_the_sign_in_page_is_shown(alice):
    page = Client().get("/", follow=True).content.decode()
    assert "manage.py setup" not in page
    assert 'name="password"' in page


def test_the_link_creates_account_and_group_and_signs_in(link):
    client = Client()
    assert client.get(link).status_code == 200
    answer = client.post(link, FORM)
    assert answer["Location"] == "/g/shoes-and-more/"
    user, group = User.objects.get(), AppGroup.objects.get()
    assert (user.email, user.name, user.is_staff, user.is_superuser) == (
        "olga@example.org",
        "Olga Operator",
        True,
        True,
    )
    assert (group.name, group.time_zone, group.phone_region, group.language) == (
        "Shoes and more",
        "Europe/Berlin",
        "DE",
        "de",
    )
    assert Membership.objects.get(user=user, app_group=group).role == "admin"
    assert client.get("/g/shoes-and-more/members/").status_code == 200
    assert Client().login(email="olga@example.org", password=FORM["password"])


def test_demo_people_are_created_if_chosen(link, settings, monkeypatch):
    monkeypatch.setattr("audiencesync.people.demo.people.PEOPLE", 20)
    Client().post(link, FORM | {"demo_people": "on"})
    group = AppGroup.objects.get()
    assert (group.profiles.count(), group.segments.count()) == (20, 2)


def test_the_group_is_empty_without_demo_people(link):
    Client().post(link, FORM)
    assert AppGroup.objects.get().profiles.count() == 0


def test_a_used_link_creates_no_second_account(link):
    Client().post(link, FORM)
    again = Client().post(link, FORM | {"email": "eve@example.org", "slug": "eve"})
    assert again.status_code == 410
    assert User.objects.count() == 1
    assert not SetupLink.objects.exists()


def test_a_link_expires_after_a_day(link):
    SetupLink.objects.update(created_at=timezone.now() - SETUP_LIFETIME)
    assert Client().get(link).status_code == 410
    assert Client().post(link, FORM).status_code == 410
    assert not User.objects.exists()


# An inactive member of staff counts, too.
@pytest.mark.parametrize(
    "rights", [{"is_staff": True}, {"is_superuser": True}, {"is_staff": True, "is_active": False}]
)
def test_a_link_is_refused_while_a_member_of_staff_exists(link, rights):
    # As "createsuperuser" may do after the link was printed.
    User.objects.create_user("boss@example.org", "a long password", **rights)
    assert Client().get(link).status_code == 410
    assert Client().post(link, FORM).status_code == 410
    assert User.objects.count() == 1
    assert not AppGroup.objects.exists()


def test_only_the_hash_of_the_token_is_stored(link):
    token = link.split("/")[2]
    stored = " ".join(str(value) for row in SetupLink.objects.values_list() for value in row)
    assert len(token) > 40
    assert token not in stored


def test_a_new_link_replaces_the_old_one(link):
    newer = path_of(setup_link.issue_link(printed_by="a test", now=timezone.now()))
    assert Client().get(link).status_code == 410
    assert Client().get(newer).status_code == 200


def test_links_of_two_starting_processes_are_both_valid(db):
    web, engine = (
        path_of(setup_link.issue_link(printed_by=process, now=timezone.now()))
        for process in ("web", "engine")
    )
    assert [Client().get(one).status_code for one in (web, engine)] == [200, 200]
    Client().post(web, FORM)
    assert Client().get(engine).status_code == 410


def test_the_command_prints_a_link_and_ends_all_others(link, capsys):
    call_command("setup")
    printed = capsys.readouterr().out.split()[-1]
    assert Client().get(link).status_code == 410
    assert Client().get(path_of(printed)).status_code == 200
    assert SetupLink.objects.count() == 1


def test_the_command_refuses_if_a_member_of_staff_exists(db):
    User.objects.create_superuser("boss@example.org", "a long password")
    with pytest.raises(CommandError, match="member of staff"):
        call_command("setup")


def test_a_start_prints_a_link_only_without_an_account(db, caplog):
    setup_link.announce("web")
    assert "http://127.0.0.1:8000/setup/" in caplog.text
    caplog.clear()
    User.objects.create_user("someone@example.org")
    setup_link.announce("web")
    assert "/setup/" not in caplog.text


def test_expired_links_are_deleted_with_the_next_one(link):
    SetupLink.objects.update(created_at=timezone.now() - SETUP_LIFETIME)
    setup_link.issue_link(printed_by="another", now=timezone.now())
    assert [one.printed_by for one in SetupLink.objects.all()] == ["another"]
