"""App configuration."""

from django.apps import AppConfig


class LabConfig(AppConfig):
    """Only commands, no models."""

    name = "lab"
