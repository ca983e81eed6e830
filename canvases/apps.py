"""App configuration."""

from django.apps import AppConfig


class CanvasesConfig(AppConfig):
    """The canvases app."""

    name = "canvases"
