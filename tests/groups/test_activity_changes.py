"""The activity log shows changes from old to new value, without secrets and personal data."""

import pytest
from django.utils import translation

from audiencesync.groups.models import Activity
from audiencesync.people.models import Segment

pytestmark = pytest.mark.django_db
PATH = "/g/acme/activity/"


def newest_line():
    """Return verb, kind and changes (name, before, after) of the newest line."""
    newest = Activity.objects.first()
    return (
        newest.verb,
        newest.kind,
        [(change.what, change.before, change.after) for change in newest.shown_changes],
    )


def test_a_change_of_settings_is_logged_with_old_and_new_values(acme, alice, signed_in):
    client = signed_in(alice)
    data = client.get("/g/acme/settings/").context["form"].initial
    data = {name: value for name, value in data.items() if value not in (None, False)}

    answer = client.post(
        "/g/acme/settings/", data | {"time_zone": "Europe/Oslo", "consent_required": "on"}
    )

    assert answer.status_code == 302
    verb, kind, changes = newest_line()
    assert (verb, kind) == ("changed", "group")
    assert ("Time zone", acme.time_zone, "Europe/Oslo") in changes
    assert ("Leave out people whose consent is unknown", "no", "yes") in changes


def test_a_role_is_shown_in_the_language_of_the_reader(acme, alice, bob, signed_in):
    member = acme.memberships.get(user=bob)
    signed_in(alice).post(f"/g/acme/members/{member.pk}/role/", {"role": "viewer"})

    assert newest_line() == ("changed", "member", [("Role", "Marketer", "Viewer")])
    with translation.override("de"):
        assert newest_line()[2] == [("Rolle", "Marketer", "Betrachter:in")]


def test_long_texts_that_differ_at_their_end_are_a_change(acme, alice):
    Activity.log(
        acme,
        alice,
        "changed",
        "Winter",
        kind="segment",
        changes=[("Description", "x" * 200 + "old", "x" * 200 + "new")],
    )

    [(_what, before, after)] = newest_line()[2]
    assert before == after == "x" * 199 + "…"


def test_values_of_a_segment_filter_are_not_logged(acme, bob, signed_in):
    old = {"all": [{"field": "email", "op": "is", "value": "maria@example.org"}]}
    segment = Segment.objects.create(app_group=acme, name="Maria", filter=old)
    data = {
        "name": "Mary",
        "match": "all",
        "version": segment.version,
        "conditions-TOTAL_FORMS": "0",
    }

    signed_in(bob).post(f"/g/acme/people/segments/{segment.pk}/", data)

    stored = str(list(Activity.objects.values()))
    assert "maria@example.org" not in stored


@pytest.mark.parametrize(("reader", "sees"), [("vera", False), ("bob", False), ("alice", True)])
def test_only_admins_see_the_invited_address(acme, alice, signed_in, request, reader, sees):
    signed_in(alice).post(
        "/g/acme/members/invite/", {"email": "nina@example.org", "role": "viewer"}
    )
    user = request.getfixturevalue(reader)

    page = signed_in(user).get(PATH).content.decode()

    assert ("nina@example.org" in page) is sees
    assert ("n•••@example.org" in page) is not sees


def test_an_older_log_line_of_an_invitation_is_masked(acme, alice, vera, signed_in):
    Activity.objects.create(app_group=acme, actor=alice, verb="invited", subject="nina@example.org")

    assert "nina@" not in signed_in(vera).get(PATH).content.decode()


def test_a_view_of_a_person_is_logged(acme, alice, signed_in):
    Activity.log(
        acme, alice, Activity.Verb.VIEWED, "00000000000000000000157d", kind=Activity.Kind.PERSON
    )

    page = " ".join(signed_in(alice).get(PATH).content.decode().split())

    assert 'viewed</span> Person <bdi class="fw-medium">00000000000000000000157d</bdi>' in page
