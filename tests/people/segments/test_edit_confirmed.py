"""An edit that changes more than a fifth of the people of a live canvas asks before it saves."""

import pytest
from django.urls import reverse

from audiencesync.people.models import Profile
from tests.support.segment_form import segment_data


@pytest.fixture
def saved(listen, gold_segment, acme, signed_in, bob):
    """saved(plan, save) -> the answer to an edit of the segment "gold", which has ten people."""
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


def test_a_great_change_is_saved_after_a_confirmation(saved, gold_segment):
    before = gold_segment.filter
    answer = saved("silver")
    assert answer.status_code == 409
    assert 'value="10-5"' in answer.content.decode()
    assert gold_segment.filter == before
    assert saved("silver", save="10-5").status_code == 302
    assert gold_segment.filter != before


def test_a_greater_change_than_the_confirmed_one_is_asked_about_again(saved):
    assert saved("silver", save="9-5").status_code == 409


@pytest.mark.parametrize("token", ["x-y", "1-2-3", "unknown", "9" * 30 + "-1"])
def test_an_odd_confirmation_confirms_nothing(saved, token):
    assert saved("silver", save=token).status_code == 409


def test_a_small_change_is_saved_at_once(saved, acme):
    Profile.objects.create(app_group=acme, external_id="new", attributes={"plan": "new"})
    assert saved("gold", "new").status_code == 302
