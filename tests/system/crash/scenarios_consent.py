"""Scenario: withdrawn consent removes a profile from every audience, if the group says so."""

from collections.abc import Iterator

from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.changes import Change
from audiencesync.people.models import Withdrawal
from audiencesync.people.writing.upsert import upsert
from canvases.privacy import erase
from tests.system.crash.scenarios_erasures import GONE, prepare_synced_profile, send_and_conclude
from tests.system.crash.scene import End, Scenario
from tests.system.crash.world import World


def _before_withdrawal(world: World) -> None:
    """Set the group to remove profiles from every audience on withdrawal."""
    prepare_synced_profile(world)
    AppGroup.objects.update(remove_on_withdrawal=True)


def _withdraw(world: World) -> None:
    upsert(
        world.group, [Change(external_id=GONE, fields={"ads_consent": False})], now=timezone.now()
    )
    erase.beat()


def _withdraw_and_remove(world: World) -> None:
    _withdraw(world)
    send_and_conclude(world)


def _check_withdrawn(_world: World) -> Iterator[str]:
    if Withdrawal.objects.exists():
        yield "a withdrawal was not acted on"


def _end(**outcome: int) -> End:
    """Return an allowed end; ``outcome``: of the delivery that waits when consent is withdrawn."""
    return End(
        counts={
            "add": {"entered": 3, "synced": 3},
            "add again": {"entered": 1, "synced": 1},
            "add too": {"entered": 2, "synced": 1, **outcome},
            "Withdrawn consent: winback": {"entered": 1, "synced": 1},
            "Withdrawn consent: other": {"entered": 1, "synced": 1},
        },
        members={"winback": {2, 3}, "other": {2}},
    )


WITHDRAW = Scenario(
    "consent withdrawn",
    prepare=_before_withdrawal,
    interrupted=_withdraw,
    retry=_withdraw_and_remove,
    finish=_withdraw_and_remove,
    check=_check_withdrawn,
    # not_synced: after a death, the queue may run before the beat that cancels the delivery.
    allowed_ends=(_end(cancelled=1), _end(not_synced=1)),
)
