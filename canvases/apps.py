"""App configuration."""

from django.apps import AppConfig


class CanvasesConfig(AppConfig):
    """The canvases app."""

    name = "canvases"

    def ready(self) -> None:
        """Report which segments the canvases use."""
        # Models can be imported only when all apps are loaded.
        from audiencesync.people.segments.uses import usage
        from canvases import segment_uses
        from canvases.engine import brake
        from canvases.steps import authors
        from partners.incidents import held
        from partners.notices import recipients

        usage.provide(segment_uses.of)
        recipients.provide(authors.of_syncs)
        held.provide(brake.held_syncs, brake.held_people)
