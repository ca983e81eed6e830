"""Seed bugs of canvases, audiences, connections and retention."""

from contextlib import nullcontext, suppress
from types import SimpleNamespace

from django.db import models, transaction

from canvases import engine
from partners import registry, sync
from partners.audiences import creation
from partners.connections import connect, oauth, revoke
from partners.errors import Disconnected
from partners.models import Reason, Tally
from partners.queue import compensation, tally, transitions
from tests.system.crash import scenarios_connections as connections
from tests.system.crash import scenarios_places as places
from tests.system.crash import scenarios_retention as retention
from tests.system.crash.mutants import seeded


def _revoke(token):
    with suppress(Disconnected):
        registry.get("tiktok").revoke(token)


@seeded(places.ADMIT, "kill")
def admit_without_a_transaction():
    """people are admitted and moved without a transaction"""
    engine.admission.transaction = engine.movement.transaction = SimpleNamespace(atomic=nullcontext)


@seeded(places.CREATE, "freeze")
def late_creation_stays():
    """an audience created after the lease was lost is written over the other one"""
    creation._delete_duplicate = lambda lease, remote_id: lease.row


@seeded(places.CREATE, "kill")
def create_without_listing():
    """an audience is created without checking whether it exists"""
    creation.listing = SimpleNamespace(
        **vars(creation.listing) | {"refresh": lambda *args, **how: True}
    )


@seeded(places.DISCARD, "kill")
def revoke_first():
    """a disconnect revokes the token at the partner before it deletes it here"""
    wipe = connect._wipe_token

    def wiping(connection, *, now):
        _revoke(connection.token)
        wipe(connection, now=now)

    connect._wipe_token = wiping


@seeded(places.RECONNECT, "kill")
def revoke_before_the_new_one_is_kept():
    """a reconnect revokes the old token before it stores the new one"""
    renew = connect._write_connection

    def renewing(*args, **kwargs):
        _revoke(renew(*args, **kwargs))
        return ""

    connect._write_connection = renewing


@seeded(connections.CONNECT, "kill")
def token_kept_with_the_offer():
    """a token is stored only after the data of its owner have been read"""
    save = oauth.OAuthState.save
    oauth.OAuthState.save = lambda state, **how: (
        None if "token_sealed" in (how.get("update_fields") or ()) else save(state)
    )


@seeded(connections.CONNECT, "kill")
def forgotten_with_its_token():
    """an expired authorisation is deleted with its unused token"""
    oauth._schedule_revocation = lambda state, *, now: None


@seeded(places.CUT_OFF, "kill")
def discard_only_who_waits():
    """a discard ignores deliveries that are under way"""

    def discard(*, now, connection=None, ad_account=None):
        with tally.atomic(now=now):
            return transitions.cancel(
                sync._batches_of(connection, ad_account), Reason.DISCARDED, now=now
            )

    sync.discard = discard


@seeded(places.DISCARD, "kill")
def revoke_from_memory():
    """a token to revoke is only in the memory of the process"""
    save = revoke.SpentToken.save
    revoke.SpentToken.save = lambda spent: None if spent.created_at else save(spent)


@seeded(places.CUT_OFF_AND_BACK, "freeze")
def discarded_stays():
    """people who were discarded while under way are not removed again"""
    compensation.take_back = lambda discarded, *, now: 0


@seeded(retention.PURGE, "kill")
def base_after_the_commit():
    """purged deliveries are added to the base tally after the commit that drops them"""
    Tally.save = lambda row, **how: transaction.on_commit(lambda: models.Model.save(row, **how))
