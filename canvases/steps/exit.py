"""The Exit step: people leave the canvas here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from canvases.steps.base import Branch, StepKind, Text

if TYPE_CHECKING:
    from canvases.models import Step


class Exit(StepKind):
    """End visits: a branch that ends with it does not meet the others."""

    key = "exit"
    label = _("Exit")
    help = _("People leave the canvas here. The branch does not meet the others again.")
    icon = "logout"
    template = "canvases/steps/exit.html"
    is_instant = True

    def summary(self, step: Step) -> Text:
        """Return that people leave."""
        return _("People leave the canvas")

    def branches(self, step: Step) -> Sequence[Branch]:
        """Return none: all people leave."""
        return ()
