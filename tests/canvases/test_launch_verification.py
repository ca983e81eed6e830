"""A launch checks TikTok: definite problems block it, an unreachable TikTok is a warning."""

import pytest
from django.utils import timezone

from canvases.models import Canvas
from partners.models import AdAccount, Audience, Connection
from tiktok_sandbox.seed import EU

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


@pytest.fixture
def ready(bob_editor, sandbox, eu, people):
    """A draft that adds people to an existing audience."""
    remote_id = str(sandbox.audiences.create(EU, "winback"))
    audience = Audience.objects.create(
        ad_account=eu, remote_id=remote_id, name="winback", seen_at=timezone.now()
    )
    bob_editor.save_sync(bob_editor.add_step("audience_sync"), audience)
    return audience


def test_a_launch_without_problems(bob_editor, ready, sandbox):
    assert "Missing:" not in bob_editor.get(launch=1).content.decode()
    assert bob_editor.post("canvas_launch").status_code == 302
    assert Canvas.objects.get().state == "live"


@pytest.mark.parametrize("was_listed", [True, False])
def test_an_audience_deleted_at_tiktok_blocks_the_launch(bob_editor, ready, sandbox, was_listed):
    Audience.objects.update(seen_at=timezone.now() if was_listed else None)
    sandbox.audiences.delete(ready.remote_id)
    answer = bob_editor.post("canvas_launch")
    assert answer.status_code == 422
    words = "no longer exists at TikTok" if was_listed else "does not know the audience winback"
    assert words in answer.content.decode()
    assert words in bob_editor.get(launch=1).content.decode()
    assert Canvas.objects.get().state == "draft"


def test_a_revoked_token_blocks_the_launch(bob_editor, ready, sandbox):
    sandbox.accounts.revoke_all()
    answer = bob_editor.post("canvas_launch")
    assert answer.status_code == 422
    assert "no longer accepts our access" in answer.content.decode()


def test_a_rejected_ad_account_blocks_the_launch(bob_editor, ready, sandbox):
    AdAccount.objects.update(remote_id="7000000000000009999")
    answer = bob_editor.post("canvas_launch")
    assert answer.status_code == 422
    assert "does not let us use the ad account Acme EU" in answer.content.decode()


def test_an_unreachable_tiktok_is_a_warning(bob_editor, ready, settings):
    settings.TIKTOK_API_URL = "http://127.0.0.1:1"
    page = bob_editor.get(launch=1).content.decode()
    assert "TikTok could not be reached just now" in page
    assert "Missing:" not in page
    assert bob_editor.post("canvas_launch").status_code == 302
    assert Canvas.objects.get().state == "live"


def test_a_solved_problem_does_not_block_the_launch(bob_editor, ready):
    Audience.objects.update(gone_at=timezone.now(), parked_by="gone")
    Connection.objects.update(parked_by="token", parked_until=timezone.now())
    assert "Missing:" not in bob_editor.get(launch=1).content.decode()
    assert Connection.objects.get().parked_by == ""


def test_a_viewer_causes_no_request(editor_of, vera, ready, sandbox):
    before = len(sandbox.log.all())
    assert editor_of(vera).get(launch=1).status_code == 200
    assert len(sandbox.log.all()) == before
