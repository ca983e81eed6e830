"""The demo: realistic, reproducible, fictitious people, and a command that loads them once."""

import re
import stat

import pytest
from django.core.management import CommandError, call_command

from audiencesync.core import demo_accounts
from audiencesync.groups.models import AppGroup, Membership, User
from audiencesync.people.demo import people as demo
from audiencesync.people.identifiers import normalise
from audiencesync.people.models import Profile, Segment
from audiencesync.people.segments import filters
from audiencesync.people.segments.uses.coverage import coverage
from tests.support import profiles
from tests.support.profiles import stored_hashes

pytestmark = pytest.mark.thorough

COLUMNS = (
    "external_id",
    "email",
    "phone",
    "idfa",
    "gaid",
    "country",
    "attributes__orders",
    "email_sha256",
)


@pytest.fixture(autouse=True)
def _demo_is_on(settings, tmp_path):
    settings.DEMO, settings.VAR_DIR = True, tmp_path


@pytest.fixture
def people(acme):
    demo.make_people(acme, 3000)
    return Profile.objects.filter(app_group=acme).order_by("external_id")


def test_external_ids_count_up(people):
    assert [people.first().external_id, people.last().external_id] == ["demo-000001", "demo-003000"]


def test_about_eight_percent_have_no_usable_identifier(people):
    counts = coverage(people)
    assert 0.06 < counts.none / counts.total < 0.10
    assert all(500 < n < counts.total for n in counts.by_kind.values())


def test_some_people_have_invalid_values_or_refused(people):
    assert people.exclude(invalid_kinds=0).count() > 100
    assert people.filter(idfa=normalise.ZERO).count() > 30
    assert people.filter(ads_consent=False).count() > 50
    assert people.filter(ad_tracking_enabled=False).count() > 50


def test_all_addresses_and_numbers_are_fictitious(people):
    fiction = re.compile(
        r"\+1\d{3}55501\d\d|\+33(19900|26191|35301|46571|53649)\d{4}|\+44(20794|\d{3}49)60\d{3}"
        r"|\+49(3023125|6990009|4066969|2214710|8999998)\d{3}"
    )
    for email, phone in people.values_list("email", "phone"):
        if normalise.normalise("email", email, region="DE").value:
            assert email.strip().lower().endswith(("@example.com", "@example.org", "@example.net"))
        number = normalise.normalise("phone", phone, region="DE").value
        assert number is None or fiction.fullmatch(number)


def test_emails_and_phones_are_not_shared(people):
    for kind in ("email", "phone"):
        digests = list(
            people.exclude(**{f"{kind}_sha256": None}).values_list(f"{kind}_sha256", flat=True)
        )
        assert len({bytes(digest) for digest in digests}) == len(digests)


def test_stored_hashes_match_the_normaliser(people, acme):
    for profile in people[:300]:
        before = stored_hashes(profile)
        profiles.set_hashes(profile, region=acme.phone_region)
        assert stored_hashes(profile) == before


def test_the_same_seed_creates_the_same_people(people, other_group):
    demo.make_people(other_group, 200)
    again = Profile.objects.filter(app_group=other_group).order_by("external_id")
    assert list(again.values_list(*COLUMNS)) == list(people[:200].values_list(*COLUMNS))


def test_another_seed_creates_other_people(people, other_group):
    demo.make_people(other_group, 200, seed=8)
    others = Profile.objects.filter(app_group=other_group).order_by("external_id")
    assert list(others.values_list(*COLUMNS)) != list(people[:200].values_list(*COLUMNS))


def test_each_segment_holds_some_people_but_not_all(people, acme):
    for segment in demo.make_segments(acme):
        assert 300 < filters.members(segment).count() < 2500


def test_the_command_loads_once(db, capsys, settings):
    for _ in range(2):
        call_command("demo", people=50)
    assert set(AppGroup.objects.values_list("slug", flat=True)) == {"acme", "northwind"}
    assert [AppGroup.objects.get(slug=slug).profiles.count() for slug in ("acme", "northwind")] == [
        50,
        5,
    ]
    assert (User.objects.count(), Membership.objects.count(), Segment.objects.count()) == (3, 6, 4)
    printed = capsys.readouterr().out
    secret = (settings.VAR_DIR / "demo.password").read_text().strip()
    assert printed.count(f"demo@example.org with the password {secret}") == 2


def test_the_demo_users_can_sign_in(client, db, settings):
    call_command("demo", people=0)
    for email in ("demo@example.org", "marketer@example.org", "viewer@example.org"):
        assert client.login(
            email=email, password=(settings.VAR_DIR / "demo.password").read_text().strip()
        )
    assert [user.email for user in User.objects.filter(is_staff=True)] == ["demo@example.org"]


def test_a_second_load_keeps_changes(db):
    call_command("demo", people=20)
    Profile.objects.filter(external_id="demo-000001").update(country="XX")
    Segment.objects.all().delete()
    call_command("demo", people=20)
    assert Profile.objects.filter(country="XX").exists()
    assert not Segment.objects.exists()


def test_the_command_refuses_beside_real_users(bob):
    with pytest.raises(CommandError):
        call_command("demo", people=1)
    assert not Profile.objects.exists()


def test_the_command_can_be_forced(charlie):
    call_command("demo", people=1, force=True)
    assert Profile.objects.exists()


@pytest.mark.parametrize("people", [-1, 10**12])
def test_an_invalid_number_of_people_is_refused(db, people):
    with pytest.raises(CommandError):
        call_command("demo", people=people)


def test_the_command_refuses_without_the_demo_setting(db, settings):
    settings.DEMO = False
    for force in (False, True):
        with pytest.raises(CommandError, match="DEMO=1"):
            call_command("demo", people=1, force=force)
    assert not User.objects.exists()


def test_the_demo_password_differs_per_installation_and_is_private(db, settings, tmp_path):
    first, _is_new = demo_accounts.password(tmp_path)
    second, _is_new = demo_accounts.password(_new_folder(tmp_path / "other"))
    assert len({first, second}) == 2
    assert demo_accounts.password(tmp_path) == (first, False)
    assert stat.S_IMODE((tmp_path / "demo.password").stat().st_mode) == 0o600


def _new_folder(folder):
    folder.mkdir()
    return folder


def test_the_old_fixed_password_no_longer_works(client, db, settings):
    User.objects.create_user("demo@example.org", "audience-sync-demo")
    call_command("demo", people=0)
    assert not client.login(email="demo@example.org", password="audience-sync-demo")


def test_the_demo_accounts_can_be_removed_without_the_demo_setting(db, settings, capsys):
    call_command("demo", people=5)
    settings.DEMO = False
    call_command("demo", remove_accounts=True)
    assert "Deleted 3 accounts" in capsys.readouterr().out
    assert (User.objects.count(), AppGroup.objects.count(), Profile.objects.count()) == (0, 2, 5)
