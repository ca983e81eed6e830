"""The tables of canvases, visits and their counts. Settings are left out: they may name people."""

from audiencesync.groups.operators.read_only import register
from canvases import models

register([models.Canvas, models.Step], keys=("api_id",), without=("description",))
register([models.ExitSegment, models.ExitTally, models.CanvasHour, models.StepSegment])
register([models.Visit], also=("trail",))
register([models.StepTally], also=("base",))
register([models.StepHour, models.BranchTally])
