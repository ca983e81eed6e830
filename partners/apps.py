"""App configuration."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from partners import registry


class PartnersConfig(AppConfig):
    """The partners app."""

    name = "partners"

    def ready(self) -> None:
        """Let an installation whose requests would be cut by unknown limits not start."""
        checks.register(preset, checks.Tags.security)


def preset(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[checks.CheckMessage]:
    """TIKTOK_PRESET names limits that are known."""
    known = sorted(registry.get("tiktok").presets)
    if settings.TIKTOK_PRESET in known:
        return []
    return [checks.Error(f"TIKTOK_PRESET must be {' or '.join(known)}.", id="partners.E001")]
