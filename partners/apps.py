"""App configuration."""

from django.apps import AppConfig


class PartnersConfig(AppConfig):
    """The partners app."""

    name = "partners"
