"""App configuration."""

from django.apps import AppConfig


class TiktokSandboxConfig(AppConfig):
    """The sandbox has only a command, no models."""

    name = "tiktok_sandbox"
