"""What changed in the settings of a step, for the activity log."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from audiencesync.groups.changes import Change, Value
from canvases.steps.audience_form import FIELD_NAMES
from canvases.steps.delay import UNITS
from partners.models import Action, AdAccount, Audience


def of_settings(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """Each setting with its old and its new value in words; of either kind of step."""
    names = (
        _names(AdAccount, before, after, "ad_account"),
        _names(Audience, before, after, "audience"),
    )
    accounts, audiences = names
    found: list[Change] = [
        (
            _("Ad account"),
            accounts.get(before.get("ad_account")),
            accounts.get(after.get("ad_account")),
        ),
        (
            _("Audience"),
            audiences.get(before.get("audience")),
            audiences.get(after.get("audience")),
        ),
        (_("Action"), _action(before), _action(after)),
        (_("How long"), before.get("amount"), after.get("amount")),
        (_("Unit"), _unit(before), _unit(after)),
    ]
    for kind, label in FIELD_NAMES.items():
        found.append((label, kind in before.get("kinds", []), kind in after.get("kinds", [])))
    return found


def _names(model: Any, before: dict[str, Any], after: dict[str, Any], name: str) -> dict[Any, str]:
    wanted = {value for value in (before.get(name), after.get(name)) if value}
    return dict(model.objects.filter(pk__in=wanted).values_list("pk", "name"))


def _action(settings: dict[str, Any]) -> Value:
    value = settings.get("action")
    return Action(value).label if value else None


def _unit(settings: dict[str, Any]) -> Value:
    return dict(UNITS).get(settings.get("unit", ""))
