"""The list of people of one request has the people of this step whom the request carried."""

import pytest
from django.utils import timezone

from partners.models import Batch, Delivery, Push, PushShare
from tests.canvases.people_lists.test_step_people import shown

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def share(step):
    """The call with the people of the synced batch of the first Sync."""
    batch = Batch.objects.filter(state="synced").first()
    push = Push.objects.create(
        ad_account=batch.ad_account,
        batches=[batch.pk],
        action="add",
        people=batch.n,
        ids=batch.n,
        at=timezone.now(),
        ms=5,
        code="0",
    )
    return PushShare.objects.create(push=push, sync=batch.sync, people=batch.n)


def key(share):
    return f"{share.push_id}-{share.sync_id}"


def test_the_list_of_a_request_has_its_people(bob_editor, step, share):
    page = bob_editor.get("step_numbers", step.pk).content.decode()

    assert f"/people/?number=request&amp;reason={key(share)}" in page
    assert shown(bob_editor, step, number="request", reason=key(share)) == (
        share.people,
        share.people,
    )


def test_those_who_went_into_a_later_request_are_counted_apart(bob_editor, step, share):
    Delivery.objects.filter(batch=share.push.batches[0]).first().delete()
    page = bob_editor.get("step_people", step.pk, number="request", reason=key(share))

    assert len(page.context["people"]) == share.people - 1
    assert "1 of them is in a later request or no longer kept" in " ".join(
        page.content.decode().split()
    )


@pytest.mark.parametrize("asked", ["", "1", "1-", "x-1", "9999-9999", "1-1-1"])
def test_a_request_that_is_not_of_the_step_is_unknown(bob_editor, step, share, asked):
    assert bob_editor.get("step_people", step.pk, number="request", reason=asked).status_code == 404


def test_a_request_of_another_step_is_unknown(bob_editor, step, share):
    step.syncs.clear()

    assert (
        bob_editor.get("step_people", step.pk, number="request", reason=key(share)).status_code
        == 404
    )


def test_the_people_of_a_request_are_exported_and_searched(bob_editor, step, share):
    person = Delivery.objects.filter(batch=share.push.batches[0]).first().profile
    query = {"number": "request", "reason": key(share)}
    file = bob_editor.post("step_people_export", step.pk, **query)
    answer = bob_editor.get("step_people", step.pk, **query, q=person.external_id)

    assert len(b"".join(file.streaming_content).splitlines()) == 1 + share.people
    assert [line.profile for line, _person in answer.context["people"]] == [person]
