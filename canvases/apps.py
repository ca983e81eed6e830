"""App configuration."""

from django.apps import AppConfig


class CanvasesConfig(AppConfig):
    """The canvases app."""

    name = "canvases"

    def ready(self) -> None:
        """Register the functions by which other apps ask about canvases."""
        # Models can be imported only when all apps are loaded.
        from audiencesync.groups.views import settings
        from audiencesync.people.segments.uses import usage
        from canvases import segment_uses
        from canvases.engine import brake, schedules
        from canvases.steps import authors
        from partners.incidents import held
        from partners.notices import recipients

        usage.provide(segment_uses.of)
        recipients.provide(authors.of_syncs)
        settings.provide(schedules.move_to_zone)
        held.provide(brake.held_syncs, brake.held_people)
