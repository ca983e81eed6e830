"""App configuration."""

from django.apps import AppConfig

from audiencesync.core import checks
from audiencesync.core.process import interpreter


class CoreConfig(AppConfig):
    """The core app."""

    name = "audiencesync.core"
    label = "core"

    def ready(self) -> None:
        """Register the system checks and tune the interpreter."""
        checks.register()
        interpreter.tune()
