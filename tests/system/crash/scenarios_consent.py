"""Scenario: withdrawn consent removes a profile from every audience, if the group says so."""

from collections.abc import Iterator

from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change
from audiencesync.people.models import Withdrawal
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase
from tests.system.crash.scenarios_erasures import GONE, before, carry_on
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World


def _before_withdrawal(world: World) -> None:
    """Set the group to remove profiles from every audience on withdrawal."""
    before(world)
    AppGroup.objects.update(remove_on_withdrawal=True)


def _withdraw(world: World) -> None:
    upsert(
        world.group, [Change(external_id=GONE, fields={"ads_consent": False})], now=timezone.now()
    )
    erase.beat()


def _withdraw_and_leave(world: World) -> None:
    _withdraw(world)
    carry_on(world)


def _looks_withdrawn(_world: World) -> Iterator[str]:
    if Withdrawal.objects.exists():
        yield "a withdrawal was not acted on"


def _end(**waits: int) -> End:
    """Return the right end; ``waits``: the outcome of the delivery that was not sent yet."""
    return End(
        {
            "add": {"entered": 3, "synced": 3},
            "add again": {"entered": 1, "synced": 1},
            "add too": {"entered": 2, "synced": 1, **waits},
            "Withdrawn consent: winback": {"entered": 1, "synced": 1},
            "Withdrawn consent: other": {"entered": 1, "synced": 1},
        },
        {"winback": {2, 3}, "other": {2}},
    )


WITHDRAW = Scenario(
    "consent withdrawn",
    prepare=_before_withdrawal,
    act=_withdraw,
    again=_withdraw_and_leave,
    closing=_withdraw_and_leave,
    look=_looks_withdrawn,
    # The queue may run before the beat that follows a death.
    ends=(_end(cancelled=1), _end(not_synced=1)),
)
