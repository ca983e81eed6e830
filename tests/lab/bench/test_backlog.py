"""The backlog of the bench holds people that can be sent."""

import pytest

from audiencesync.people.models import Profile
from lab.bench import backlog, world
from partners.models import Audience, Batch, Delivery
from tests.support import builder


@pytest.mark.django_db
def test_the_backlog_has_the_people_that_its_kinds_can_send(monkeypatch, acme):
    account = builder.add_account(builder.connect(acme, token="t"))
    for n in range(5):
        Profile.objects.create(app_group=acme, external_id=f"e{n}", email_sha256=b"%032d" % n)
    for n in range(2):
        Profile.objects.create(app_group=acme, external_id=f"p{n}", phone_sha256=b"%032d" % n)
    audience = Audience.objects.create(ad_account=account, remote_id="1", name="bench")
    monkeypatch.setattr(world, "group", lambda: acme)
    monkeypatch.setattr(world, "_new_audience", lambda _name: audience)
    result = backlog.fill(n=4, kinds=["phone"])
    assert result["pending"] == Delivery.objects.count() == 4
    assert set(Batch.objects.values_list("n", flat=True)) == {2}
