"""App configuration."""

from django.apps import AppConfig

from audiencesync.core import checks, interpreter


class CoreConfig(AppConfig):
    """The ground floor."""

    name = "audiencesync.core"
    label = "core"

    def ready(self) -> None:
        """Set up what the whole installation needs; this app is there whenever it starts."""
        checks.register()
        interpreter.tune()
