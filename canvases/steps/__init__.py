"""The kinds of steps: one file, one template, one line in KINDS."""

from canvases.steps.audience_sync import AudienceSync
from canvases.steps.base import Kind
from canvases.steps.delay import Delay

_ALL: tuple[Kind, ...] = (AudienceSync(), Delay())
KINDS: dict[str, Kind] = {kind.key: kind for kind in _ALL}
