"""App configuration."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """The lab has only commands, no models."""

    name = "lab"
