"""The Audience paths step: people take the first path whose condition holds, else the last one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from canvases.steps.base import Branch, StepKind

if TYPE_CHECKING:
    from canvases.models import Step

MOST_PATHS = 7
EVERYONE_ELSE = MOST_PATHS + 1


class AudiencePaths(StepKind):
    """Divide people by up to seven conditions, in their order.

    The number of a path stays the same when others are removed: its steps refer to it.
    """

    key = "audience_paths"
    label = _("Audience paths")
    splits = True

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return the paths in their order, then everyone else."""
        paths = step.settings.get("paths", [])
        return (
            *(Branch(path["number"], path["name"], path["filter"]) for path in paths),
            Branch(EVERYONE_ELSE, _("Everyone else")),
        )
