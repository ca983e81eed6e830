"""Housekeeping deletes expired offers."""

from datetime import timedelta

from django.utils import timezone

from partners import housekeeping
from partners.models import OAuthState


def test_an_open_offer_is_kept(alice_flow):
    alice_flow.authorise()
    housekeeping.beat()
    assert OAuthState.objects.exclude(token_sealed="").count() == 1


def test_an_expired_offer_is_deleted_with_its_token(alice_flow):
    alice_flow.authorise()
    OAuthState.objects.update(created_at=timezone.now() - timedelta(minutes=71))
    housekeeping.beat()
    assert not OAuthState.objects.exists()
