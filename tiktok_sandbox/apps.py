"""App configuration."""

from django.apps import AppConfig


class TiktokSandboxConfig(AppConfig):
    """Only a command, no models."""

    name = "tiktok_sandbox"
