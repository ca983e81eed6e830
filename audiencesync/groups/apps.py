"""App configuration."""

from django.apps import AppConfig

from audiencesync import checks, interpreter


class GroupsConfig(AppConfig):
    """The groups app."""

    name = "audiencesync.groups"
    label = "groups"

    def ready(self) -> None:
        """Set up what the whole installation needs; this app is there whenever it starts."""
        checks.register()
        interpreter.tune()
