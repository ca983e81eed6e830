"""App configuration."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import AppConfig
from django.db.models import Q
from django.urls import reverse

if TYPE_CHECKING:
    from audiencesync.people.models import Segment
    from audiencesync.people.segments.usage import Use


class CanvasesConfig(AppConfig):
    """The canvases app."""

    name = "canvases"

    def ready(self) -> None:
        """Report which segments the canvases use."""
        # Models can be imported only when all apps are loaded.
        from audiencesync.people.segments import usage  # noqa: PLC0415 - see above

        usage.provide(canvases_with)


def canvases_with(segment: "Segment") -> "Iterable[Use]":
    """Return the canvases that a segment leads into or out of, as uses of it."""
    from audiencesync.people.segments.usage import Use  # noqa: PLC0415 - as in ready
    from canvases.models import Canvas  # noqa: PLC0415 - as in ready

    mine = Canvas.objects.filter(Q(segment=segment) | Q(exit_segments__segment=segment)).distinct()
    for canvas in mine.order_by("name", "pk"):
        url = reverse("canvas", args=[segment.app_group.slug, canvas.pk])
        yield Use(canvas.name, url, is_live=canvas.state == Canvas.State.LIVE)
