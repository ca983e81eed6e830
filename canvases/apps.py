"""App configuration."""

from django.apps import AppConfig


class CanvasesConfig(AppConfig):
    """The canvases app."""

    name = "canvases"

    def ready(self) -> None:
        """Report which segments the canvases use."""
        # Models can be imported only when all apps are loaded.
        from audiencesync.people.segments import usage  # noqa: PLC0415 - see above
        from canvases import segment_uses  # noqa: PLC0415 - see above
        from canvases.steps import authors  # noqa: PLC0415 - see above
        from partners.notices import readers  # noqa: PLC0415 - see above

        usage.provide(segment_uses.of)
        readers.provide(authors.of_syncs)
