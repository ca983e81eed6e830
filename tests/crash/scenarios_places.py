"""Canvases that move crowds, audiences that are created, connections that go and come back."""

import hashlib
import time
from contextlib import suppress

from django.utils import timezone

from audiencesync import crypto
from audiencesync.people.models import Segment
from canvases import engine
from canvases.models import Canvas, Step
from partners import connecting, creating, flush
from partners.connecting import AlreadyChosen
from partners.listing import NotDone
from partners.models import OAuthState, Sync
from partners.tiktok_sandbox.seed import EU
from tests.crash.scene import End, Scenario
from tests.crash.world import World


def _canvas(world: World, *labels: str) -> Canvas:
    """A canvas of one Audience Sync step per Sync."""
    segment = Segment.objects.create(app_group=world.group, name="everybody", filter={})
    canvas = Canvas.objects.create(app_group=world.group, name="Journey", segment=segment)
    parent = None
    for label in labels:
        asked = Sync.objects.get(label=label)
        parent = Step.objects.create(canvas=canvas, kind="audience_sync", parent=parent, sync=asked)
        parent.syncs.add(asked)
    return canvas


def _before_advance(world: World) -> None:
    """Launched, and three people stand before the step."""
    _before_admit(world)
    engine.admit(Canvas.objects.get().pk, now=timezone.now())


def _before_admit(world: World) -> None:
    world.people(1, 2, 3)
    world.sync("add")
    world.sync("add too", audience="other")
    engine.launch(_canvas(world, "add", "add too"), by=world.alice, now=timezone.now())


ALL_THROUGH = End(
    {"add": {"entered": 3, "synced": 3}, "add too": {"entered": 3, "synced": 3}},
    {"winback": {1, 2, 3}, "other": {1, 2, 3}},
)
ADVANCE = Scenario("advance", prepare=_before_advance, act=lambda _world: engine.beat(), ends=(ALL_THROUGH,))
ADMIT = Scenario("admit and advance", prepare=_before_admit, act=lambda _world: engine.beat(), ends=(ALL_THROUGH,))


def _create(world: World) -> None:
    creating.create(world.account, "Fresh", by=world.alice, now=timezone.now())


def _create_until_it_is_there(world: World) -> None:
    """The marketer presses again when told to."""
    for _ in range(20):
        with suppress(NotDone):
            return _create(world)
        time.sleep(0.05)
    raise TimeoutError("never created")


CREATE = Scenario(
    "create audience",
    prepare=lambda _world: None,
    act=_create,
    again=_create_until_it_is_there,
    ends=(End({}),),
    audiences={"Fresh": 1},
    excused=("NotDone",),
)


def _before_parting(world: World) -> None:
    world.people(1, 2, 3)
    world.sync("add")
    world.enter("add", 1, 2, 3)


def _disconnect(world: World, *, discard: bool = True) -> None:
    connecting.disconnect(world.connection, discard=discard, by=world.alice, now=timezone.now())


def _disconnect_again(world: World) -> None:
    """The admin looks whether it worked, and presses again if not."""
    if world.connection.is_connected:
        _disconnect(world)


ARRIVED = End({"add": {"entered": 3, "synced": 3}}, {"winback": {1, 2, 3}})
DISCARDED = End({"add": {"entered": 3, "cancelled": 3}})
DISCARD = Scenario(
    "disconnect and discard",
    prepare=_before_parting,
    act=_disconnect,
    again=_disconnect_again,
    meanwhile=World.flush,
    ends=(ARRIVED, DISCARDED),
    ends_connected=False,
)
CUT_OFF = Scenario(
    "flush meets a disconnect",
    prepare=_before_parting,
    act=World.flush,
    again=_disconnect_again,
    meanwhile=_disconnect_again,
    ends=(ARRIVED, DISCARDED, End(DISCARDED.counts, ARRIVED.members)),
    may_be_there=("cancelled",),
    ends_connected=False,
)


def _authorise(world: World) -> None:
    """Back from TikTok with the second token; nothing is chosen yet."""
    state = OAuthState(
        state_hash=hashlib.sha256(b"state").hexdigest(),
        session_hash="s" * 64,
        user=world.alice,
        app_group=world.group,
        partner="tiktok",
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
    connecting.choose(OAuthState.objects.get(), [EU], now=timezone.now())


def _choose_again(world: World) -> None:
    """Reload, or the second tab: the choice counts once."""
    with suppress(AlreadyChosen):
        _choose(world)


def _before_reconnect(world: World) -> None:
    _before_parting(world)
    _authorise(world)


RECONNECT = Scenario(
    "reconnect",
    prepare=_before_reconnect,
    act=_choose,
    again=_choose_again,
    ends=(ARRIVED,),
    excused=("AlreadyChosen",),
    ends_connected=True,
)


def _leave_again(world: World) -> None:
    """The admin looks whether it worked, and presses again if not."""
    if world.connection.is_connected:
        _disconnect(world, discard=False)


WAIT = Scenario(
    "disconnect and wait",
    prepare=_before_reconnect,
    act=lambda world: _disconnect(world, discard=False),
    again=_leave_again,
    meanwhile=lambda _world: flush.beat(),
    others_drain=False,
    closing=_choose_again,
    ends=(ARRIVED,),
    ends_connected=True,
)


def _before_choice(world: World) -> None:
    _before_reconnect(world)
    _disconnect(world, discard=False)


CHOOSE = Scenario(
    "choose after a disconnect",
    prepare=_before_choice,
    act=_choose,
    again=_choose_again,
    ends=(ARRIVED,),
    excused=("AlreadyChosen",),
    ends_connected=True,
)

PLACES = (ADVANCE, ADMIT, CREATE, DISCARD, CUT_OFF, WAIT, RECONNECT, CHOOSE)
