"""The engine of journeys: admits profiles to live canvases and moves due visits from step to step.

Visits of a canvas change only under the lock of its row, so the visits that were read are those
that move.
"""

from canvases.engine.admission import (
    admit,
    admit_all,
    admit_some,
    eligible_people,
    entry_barriers,
    entry_candidates,
    would_enter,
)
from canvases.engine.clearance import clear
from canvases.engine.exits import end_visits
from canvases.engine.lifecycle import (
    launch,
    prepare_waits,
    preparing_wait,
    remove_former_members,
    stop,
    update_subscriptions,
)
from canvases.engine.movement import advance, beat, move_all
from canvases.engine.rows import TASK, lock_live
from canvases.engine.waits import inherit_branch

__all__ = [
    "TASK",
    "admit",
    "admit_all",
    "admit_some",
    "advance",
    "beat",
    "clear",
    "eligible_people",
    "end_visits",
    "entry_barriers",
    "entry_candidates",
    "inherit_branch",
    "launch",
    "lock_live",
    "move_all",
    "prepare_waits",
    "preparing_wait",
    "remove_former_members",
    "stop",
    "update_subscriptions",
    "would_enter",
]
