"""The thresholds of a group on the page Notifications."""

import pytest

from audiencesync.groups.models import Activity
from partners.models import Thresholds
from tests.site.forms import Forms

pytestmark = pytest.mark.django_db

PAGE = "/g/acme/health/notices/"
URL = f"{PAGE}thresholds/"
VALUES = {"error_percent": 10, "backlog_minutes": 30, "audiences_left": 5, "fewest_people": 2000}


def test_an_admin_sets_them_and_the_log_names_them(signed_in, alice):
    client = signed_in(alice)
    assert client.post(URL, VALUES).status_code == 302
    assert Thresholds.objects.filter(**VALUES).count() == 1
    assert 'value="2000"' in client.get(PAGE).content.decode()
    client.post(URL, VALUES | {"error_percent": 20})
    newest, first = Activity.objects.order_by("-pk")[:2]
    assert len(first.changes) == 4
    [change] = newest.changes
    assert (change["before"], change["after"]) == ("10", "20")


def test_an_empty_field_is_as_the_installation_says(signed_in, alice):
    client = signed_in(alice)
    client.post(URL, VALUES)
    client.post(URL, {})
    assert set(Thresholds.objects.values_list(*VALUES)) == {(None, None, None, None)}
    text = client.get(PAGE).content.decode()
    assert "Empty: 5." in text
    assert "Empty: 60." in text
    assert "Empty: 1,000 (TikTok)." in text


@pytest.mark.parametrize(
    "wrong",
    [
        {"error_percent": 0},
        {"error_percent": 101},
        {"backlog_minutes": 781},
        {"audiences_left": -1},
        {"fewest_people": "many"},
        {"fewest_people": 10**12},
    ],
)
def test_a_value_out_of_bounds_is_refused_and_kept_on_the_page(signed_in, alice, wrong):
    answer = signed_in(alice).post(URL, VALUES | wrong)
    assert answer.status_code == 422
    assert not Thresholds.objects.exists()
    assert str(next(iter(wrong.values()))) in answer.content.decode()


def test_a_stale_page_keeps_what_another_admin_has_set(signed_in, alice):
    client = signed_in(alice)
    forms = Forms(client.get(PAGE).content.decode()).found
    [seen] = [form["fields"]["seen"] for form in forms if "error_percent" in form["fields"]]
    client.post(URL, VALUES)
    stale = {"seen": seen, "error_percent": 20}
    assert client.post(URL, stale).status_code == 422
    assert client.post(URL, stale | {"error_percent": 10}).status_code == 302
    assert Thresholds.objects.filter(**VALUES).count() == 1


def test_only_admins_set_them(signed_in, bob):
    client = signed_in(bob)
    assert client.post(URL, VALUES).status_code == 403
    assert "When to warn" not in client.get(PAGE).content.decode()
