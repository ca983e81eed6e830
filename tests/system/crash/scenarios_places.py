"""Scenarios: create audiences, disconnect, reconnect, change the account."""

import hashlib
from contextlib import suppress
from dataclasses import replace

from django.utils import timezone

from audiencesync.core import crypto
from partners.audiences import creation
from partners.audiences.listing import AudienceCallFailed
from partners.connections import connect
from partners.connections.connect import AlreadyChosen
from partners.models import OAuthState
from partners.queue import flush, park
from tests.support.clock import CLOCK
from tests.system.crash.scenarios_canvases import ADMIT, ADVANCE
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import PAUSE, World
from tiktok_sandbox.seed import EU


def _create(world: World) -> None:
    creation.create(world.account, "Fresh", by=world.alice, now=timezone.now())


def _create_until_it_is_there(world: World) -> None:
    """Create the audience; repeat after an error, as its message asks."""
    for _ in range(20):
        with suppress(AudienceCallFailed):
            return _create(world)
        CLOCK.pause(PAUSE)
    raise TimeoutError("never created")


CREATE = Scenario(
    "create audience",
    prepare=lambda _world: None,
    interrupted=_create,
    retry=_create_until_it_is_there,
    allowed_ends=(End(counts={}),),
    audiences={"Fresh": 1},
    allowed_errors=("AudienceCallFailed",),
)


def enter_three(world: World) -> None:
    """Enter three profiles; their deliveries wait."""
    world.create_people(1, 2, 3)
    world.create_sync("add")
    world.enter("add", 1, 2, 3)


def _disconnect(world: World, *, discard: bool = True) -> None:
    connect.disconnect(world.connection, discard=discard, by=world.alice, now=timezone.now())


def _disconnect_again(world: World) -> None:
    """Disconnect, unless the first attempt has taken effect."""
    if world.connection.is_connected:
        _disconnect(world)


ARRIVED = End(counts={"add": {"entered": 3, "synced": 3}}, members={"winback": {1, 2, 3}})
DISCARDED = End(counts={"add": {"entered": 3, "cancelled": 3}})
DISCARD = Scenario(
    "disconnect and discard",
    prepare=enter_three,
    interrupted=_disconnect,
    retry=_disconnect_again,
    concurrent=World.flush,
    allowed_ends=(ARRIVED, DISCARDED, End(counts=DISCARDED.counts, members=ARRIVED.members)),
    # A delivery under way is compensated as soon as there is a token again.
    possible_states=("cancelled",),
    is_connected_at_end=False,
    void_tokens=(0,),
)
CUT_OFF = Scenario(
    "flush meets a disconnect",
    prepare=enter_three,
    interrupted=World.flush,
    retry=_disconnect_again,
    concurrent=_disconnect_again,
    allowed_ends=(ARRIVED, DISCARDED, End(counts=DISCARDED.counts, members=ARRIVED.members)),
    possible_states=("cancelled",),
    is_connected_at_end=False,
    void_tokens=(0,),
)


def _authorise(world: World) -> None:
    """Store an authorisation with the second token; no ad account is chosen yet."""
    state = OAuthState(
        partner="tiktok",
        state_hash=hashlib.sha256(b"state").hexdigest(),
        session_hash="s" * 64,
        user=world.alice,
        app_group=world.group,
        created_at=timezone.now(),
        used_at=timezone.now(),
    )
    state.save()
    state.token_sealed = crypto.seal(world.remote.tokens[1], context=state.token_context)
    account = {"id": EU, "name": "Acme EU"}
    user = {"id": "1", "name": "Mara", "email_masked": "m***@example.org"}
    state.offer = {"user": user, "ad_accounts": [account], "scopes": [1, 3]}
    state.save()


def _choose(_world: World) -> None:
    connect.choose(OAuthState.objects.get(), [EU], now=timezone.now())


def _choose_again(world: World) -> None:
    """Choose once more, by a reload or a second tab: the choice counts once."""
    with suppress(AlreadyChosen):
        _choose(world)


def _before_reconnect(world: World) -> None:
    enter_three(world)
    _authorise(world)


RECONNECT = Scenario(
    "reconnect",
    prepare=_before_reconnect,
    interrupted=_choose,
    retry=_choose_again,
    allowed_ends=(ARRIVED,),
    allowed_errors=("AlreadyChosen",),
    is_connected_at_end=True,
    void_tokens=(0,),
)


def _reconnect(world: World) -> None:
    """Reconnect by a new authorisation, because the disconnect revoked the tokens of open ones."""
    if not world.connection.is_connected:
        _authorise(world)
        _choose(world)


def _disconnect_and_wait_again(world: World) -> None:
    """Disconnect without discarding, unless the first attempt has taken effect."""
    if world.connection.is_connected:
        _disconnect(world, discard=False)


WAIT = Scenario(
    "disconnect and wait",
    prepare=enter_three,
    interrupted=lambda world: _disconnect(world, discard=False),
    retry=_disconnect_and_wait_again,
    concurrent=lambda _world: flush.beat(),
    concurrent_drains=False,
    finish=_reconnect,
    allowed_ends=(ARRIVED,),
    is_connected_at_end=True,
    void_tokens=(0,),
)


def _before_choice(world: World) -> None:
    enter_three(world)
    _disconnect(world, discard=False)
    _authorise(world)


CHOOSE = Scenario(
    "choose after a disconnect",
    prepare=_before_choice,
    interrupted=_choose,
    retry=_choose_again,
    allowed_ends=(ARRIVED,),
    allowed_errors=("AlreadyChosen",),
    is_connected_at_end=True,
    void_tokens=(0,),
)


def _before_swap(world: World) -> None:
    _before_reconnect(world)
    park.begin_swap(world.connection, by=world.alice, now=timezone.now())


def _choose_and_check(world: World) -> None:
    """Choose the account as the page does: the queue waits until its audiences were read."""
    _choose_again(world)
    park.end_swap(world.connection.pk, now=timezone.now())


SWAP = replace(
    RECONNECT,
    name="change of the account",
    prepare=_before_swap,
    interrupted=_choose_and_check,
    retry=_choose_and_check,
)
COMPENSATED = End(counts=ARRIVED.counts)  # counted as synced, then removed at the partner
CUT_OFF_AND_BACK = replace(
    CUT_OFF,
    name="flush meets a disconnect and a reconnect",
    finish=_reconnect,
    allowed_ends=(ARRIVED, DISCARDED, COMPENSATED),
    is_connected_at_end=True,
)

PLACES = (ADVANCE, ADMIT, CREATE, DISCARD, CUT_OFF, CUT_OFF_AND_BACK, WAIT, RECONNECT, CHOOSE, SWAP)
