"""Allow forms to lead to the consent pages of the partners."""

from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts

from partners import registry


class ContentSecurityPolicy(CSPMiddleware):
    """The policy of the settings, with the hosts of the partners added to its form-action."""

    def get_policy_parts(self, *args: Any, **kwargs: Any) -> PolicyParts:
        """Add the hosts: "Connect" posts a form whose response redirects to the consent page."""
        parts = super().get_policy_parts(*args, **kwargs)
        hosts = [partner.form_action for partner in registry.PARTNERS]
        parts.update = {"form-action": hosts} | (parts.update or {})
        return parts
