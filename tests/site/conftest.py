"""One object of every kind that a URL can name, in the group of alice."""

import pytest
import responses
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.groups.models import Invitation, Membership
from audiencesync.people.models import Erasure, Profile, Segment
from audiencesync.people.models.imports import Import
from canvases.models import Canvas, Step
from partners.connections import oauth
from partners.models import AdAccount, Audience, Connection, OAuthState, Sync


@pytest.fixture
def things(acme, alice, bob):
    """Return the kwargs of every URL by name; a new name in a URL belongs here."""
    connection = Connection.objects.create(app_group=acme, partner="tiktok", connected_by=alice)
    connection.set_token("token-of-no-value")
    connection.save()
    ad_account = AdAccount.objects.create(connection=connection, remote_id="7100", name="Acme ads")
    audience = Audience.objects.create(ad_account=ad_account, remote_id="9100", name="winback")
    sync = Sync.objects.create(app_group=acme, audience=audience, action="add", kinds=["email"])
    state = OAuthState.objects.create(
        partner="tiktok",
        state_hash="s",
        session_hash="s",
        user=alice,
        app_group=acme,
        chosen_at=timezone.now(),
    )
    segment = Segment.objects.create(app_group=acme, name="All")
    profile = Profile.objects.create(app_group=acme, external_id="p-1")
    canvas = Canvas.objects.create(app_group=acme, name="Welcome", segment=segment)
    step = Step.objects.create(canvas=canvas, kind="audience_sync", sync=sync)
    invitation, _token = Invitation.issue(acme, email="new@example.org", role="viewer", by=alice)
    key, _text = api_keys.issue(acme, name="Shop", scopes=["users.track"], by=alice)
    return {
        "group": acme.slug,
        "key": key.pk,
        "partner_key": "tiktok",
        "member": Membership.objects.get(user=bob).pk,
        "invitation": invitation.pk,
        "state_id": state.pk,
        "ad_account_id": ad_account.pk,
        "audience_id": audience.pk,
        "segment_id": segment.pk,
        "profile_id": profile.pk,
        "import_id": Import.objects.create(app_group=acme, file_name="people.csv", size=0).pk,
        "canvas_id": canvas.pk,
        "who": "segment",
        "recipe": "winback",
        "step_id": step.pk,
        "receipt": Erasure.objects.create(
            app_group=acme, asked_by="x", requested_at=timezone.now()
        ).key,
    }


@pytest.fixture(autouse=True)
def _no_network():
    """Refuse requests of views to TikTok."""
    with responses.RequestsMock(assert_all_requests_are_fired=False):
        yield


@pytest.fixture
def admin(things, alice, signed_in):
    """Return Alice's client, with the session that began the authorisation."""
    client = signed_in(alice)
    session = client.session
    OAuthState.objects.filter(pk=things["state_id"]).update(
        session_hash=oauth.session_hash(session, is_new=True)
    )
    session.save()
    return client
