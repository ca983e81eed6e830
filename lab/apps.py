"""App configuration."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Commands for developers; it has no models."""

    name = "lab"
