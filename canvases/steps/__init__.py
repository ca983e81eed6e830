"""The step kinds: one file, one template, one line in KINDS (docs/adding-a-step.md)."""

from canvases.models import Step
from canvases.steps.audience_paths import AudiencePaths
from canvases.steps.audience_sync import AudienceSync
from canvases.steps.base import StepKind
from canvases.steps.decision_split import DecisionSplit
from canvases.steps.delay import Delay
from canvases.steps.exit import Exit
from canvases.steps.wait_until import WaitUntil

_ALL: tuple[StepKind, ...] = (
    AudienceSync(),
    Delay(),
    WaitUntil(),
    DecisionSplit(),
    AudiencePaths(),
    Exit(),
)
KINDS: dict[str, StepKind] = {kind.key: kind for kind in _ALL}


def branch_numbers(step: Step) -> list[int]:
    """Return the numbers of the branches of a step."""
    return [branch.number for branch in KINDS[step.kind].branches(step)]
