"""App configuration."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks

from audiencesync.core import partner_names
from partners import registry


class PartnersConfig(AppConfig):
    """The partners app."""

    name = "partners"

    def ready(self) -> None:
        """Register the checks of the partners' settings.

        Also pass names of partners and audiences to packages that may not import this one.
        """
        # Models can be imported only when all apps are loaded.
        from audiencesync.people.segments import audiences
        from partners.audiences import sent

        partner_names.provide(registry.names)
        audiences.provide(sent.SOURCE)
        checks.register(partner_settings, checks.Tags.security)


def partner_settings(
    app_configs: Sequence[AppConfig] | None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Report wrong or missing settings of every partner."""
    return [message for partner in registry.PARTNERS for message in partner.check_settings()]
