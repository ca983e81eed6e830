"""App configuration."""

from django.apps import AppConfig

from audiencesync import checks


class GroupsConfig(AppConfig):
    """The groups app."""

    name = "audiencesync.groups"
    label = "groups"

    def ready(self) -> None:
        """Register the checks of the whole installation; this app is there whenever it starts."""
        checks.register()
