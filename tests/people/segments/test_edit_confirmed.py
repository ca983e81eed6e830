"""An edit that changes more than a fifth of the people of a live canvas must be confirmed."""

import pytest
from django.urls import reverse

from audiencesync.people.models import Profile
from tests.support.segment_form import segment_data


@pytest.fixture
def post_edit(listen, gold_segment, acme, signed_in, bob):
    """post_edit(*plans, save=token) -> the response to an edit of a segment with ten people."""
    plans = ["gold"] * 10 + ["silver"] * 5
    Profile.objects.bulk_create(
        Profile(app_group=acme, external_id=f"p{n}", attributes={"plan": plan})
        for n, plan in enumerate(plans)
    )
    listen()
    client = signed_in(bob)

    def post_form(*plans, save="1"):
        data = segment_data(("plan", "in", ", ".join(plans)), version=str(gold_segment.version))
        path = reverse("segment", args=["acme", gold_segment.pk])
        answer = client.post(path, data | {"save": save, "name": gold_segment.name})
        gold_segment.refresh_from_db()
        return answer

    return post_form


def test_a_large_change_is_saved_after_a_confirmation(post_edit, gold_segment):
    before = gold_segment.filter
    answer = post_edit("silver")
    assert answer.status_code == 409
    assert 'value="10-5"' in answer.content.decode()
    assert gold_segment.filter == before
    assert post_edit("silver", save="10-5").status_code == 302
    assert gold_segment.filter != before


def test_a_larger_change_than_the_confirmed_one_is_asked_about_again(post_edit):
    assert post_edit("silver", save="9-5").status_code == 409


@pytest.mark.parametrize("token", ["x-y", "1-2-3", "unknown", "9" * 30 + "-1"])
def test_an_odd_confirmation_confirms_nothing(post_edit, token):
    assert post_edit("silver", save=token).status_code == 409


def test_a_small_change_is_saved_at_once(post_edit, acme):
    Profile.objects.create(app_group=acme, external_id="new", attributes={"plan": "new"})
    assert post_edit("gold", "new").status_code == 302
