"""App configuration."""

from django.apps import AppConfig


class TiktokSandboxConfig(AppConfig):
    """The command of the sandbox; it has no models."""

    name = "tiktok_sandbox"
