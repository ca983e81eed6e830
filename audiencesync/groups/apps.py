"""App configuration."""

from django.apps import AppConfig


class GroupsConfig(AppConfig):
    """The groups app."""

    name = "audiencesync.groups"
    label = "groups"
