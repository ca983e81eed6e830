"""The step kinds: one file, one template, one line in KINDS (docs/adding-a-step.md)."""

from canvases.steps.audience_sync import AudienceSync
from canvases.steps.base import StepKind
from canvases.steps.delay import Delay

_ALL: tuple[StepKind, ...] = (AudienceSync(), Delay())
KINDS: dict[str, StepKind] = {kind.key: kind for kind in _ALL}
